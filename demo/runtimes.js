// Calls exported networks with ONNX Runtime, on WebGPU, or else in WebAssembly.

const ARRAYS = { float32: Float32Array, int32: Int32Array };

// Loads the networks of an exported folder: `{calls, message}`, functions of flat arrays
// by name to a flat array, and a sentence on where they run.
export async function load(folder, description) {
  const files = await Promise.all(
    description.networks.map((network) => download(folder, network)),
  );
  const callsOn = async (ort, provider) => {
    const calls = [];
    for (const [k, network] of description.networks.entries()) {
      calls.push(await networkCall(ort, files[k], network, provider));
    }
    return calls;
  };
  let reason = await whyNoWebGPU();
  if (!reason) {
    try {
      const ort = await import("./onnxruntime/ort.webgpu.min.mjs");
      const calls = await callsOn(ort, "webgpu");
      return { calls, message: "The networks run on WebGPU." };
    } catch (error) {
      reason = `WebGPU does not run these networks (${error.message}).`;
    }
  }
  const ort = await import("./onnxruntime/ort.wasm.min.mjs");
  ort.env.wasm.numThreads = 1; // More need headers that plain file servers do not send.
  const message =
    `${reason} The networks run on the processor instead, in WebAssembly, in one ` +
    "thread, which is slower.";
  return { calls: await callsOn(ort, "wasm"), message };
}

// A sentence, or null where there is a WebGPU.
async function whyNoWebGPU() {
  if (!navigator.gpu) return "This browser has no WebGPU.";
  const adapter = await navigator.gpu.requestAdapter();
  return adapter ? null : "This browser has WebGPU, but no GPU that it can use.";
}

async function networkCall(ort, bytes, network, provider) {
  const session = await ort.InferenceSession.create(bytes, {
    executionProviders: [provider],
  });
  return async (values) => {
    const feeds = {};
    for (const name of session.inputNames) {
      const { shape, dtype } = network.inputs[name];
      feeds[name] = new ort.Tensor(dtype, ARRAYS[dtype].from(values[name]), shape);
    }
    const outputs = await session.run(feeds);
    return outputs[session.outputNames[0]].data;
  };
}

async function download(folder, { file, bytes: size }) {
  const answer = await fetch(folder + file);
  if (!answer.ok) {
    throw new Error(
      "The file of a network is missing. Copy or export the folder again. " +
        `Received: status ${answer.status} for ${folder}${file}.`,
    );
  }
  const bytes = new Uint8Array(await answer.arrayBuffer());
  if (bytes.length !== size) {
    throw new Error(
      `${folder}${file} is incomplete or of another export: patchdpm.json says ${size} ` +
        `bytes. Copy or export the folder again. Received: ${bytes.length} bytes.`,
    );
  }
  return bytes;
}
