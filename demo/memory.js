// The memory of a call of the network, and of one that would see the whole image.

// activations: bytes of one call, of `demo.json`. Returns bytes: `{call, whole}`.
export function bytesOf(description, activations, count) {
  const { shape, window } = description.stages[count - 1];
  const seen = window[0] * window[1] * description.patches_per_call;
  return { call: activations, whole: (activations * shape[0] * shape[1]) / seen };
}

// Sets the two bars, whose lengths have the proportion of the bytes.
export function show({ call, whole }, element) {
  const longest = Math.max(call, whole);
  for (const [name, bytes] of Object.entries({ call, whole })) {
    element(name).style.width = `calc(${(bytes / longest).toFixed(4)} * (100% - 6rem))`;
    element(`${name}-size`).textContent = amount(bytes);
  }
}

function amount(bytes) {
  const megabytes = bytes / 1e6;
  return `${megabytes.toFixed(megabytes < 10 ? 1 : 0)} MB`;
}
