// One stage of a sampling: denoises an image of one size, some patches at a time. The
// names are those of `keras_patchdpm_edge/stages.py`.

import { blendInto, cut, image, resample, weightedSum } from "./images.js";
import { Generator } from "./numpy_random.js";

export class Stage {
  // number: of the stage. description: of the model. calls: functions that call the
  // networks. seed: integer. label: integer, or null. previous: images of the earlier
  // stages. progress: async function, called after each patch.
  constructor(number, description, { calls, seed, label, previous, progress }) {
    Object.assign(this, { number, calls, seed, label, previous, progress });
    this.data = description.stages[number];
    this.inputs = description.networks[0].inputs;
    this.guidance = description.guidance;
    this.perCall = description.patches_per_call;
    this.enlarged = this.data.enlarged;
    if (this.enlarged) {
      const { rows, cols } = this.enlarged;
      this.local = resample(previous.at(-1), rows, cols);
    }
  }

  // The clean estimate of an image. `at`: the noise level, of the description.
  async denoise(noisy, at) {
    const clean = image(noisy.shape);
    const tiles = this.tiles(at);
    const shared = this.shared(noisy, at);
    for (let start = 0; start < tiles.length; start += this.perCall) {
      const group = tiles.slice(start, start + this.perCall);
      const inputs = this.networkInputs(noisy, group, start, shared);
      const estimates = await this.estimates(inputs, at);
      const size = estimates.length / this.perCall;
      for (const [k, [rows, cols]] of group.entries()) {
        blendInto(clean, estimates.subarray(k * size, (k + 1) * size), rows, cols);
        await this.progress({ stage: this, clean, rows, cols, tile: start + k, tiles });
      }
    }
    return clean;
  }

  // Turns what was sampled into an image.
  finish(sampled) {
    const scale = this.data.detail_scale;
    if (scale === null) return sampled;
    return weightedSum([
      [scale, sampled],
      [1, this.local],
    ]);
  }

  // The clean estimates of some windows.
  async estimates(inputs, at) {
    let predicted = await this.calls[0](inputs);
    if (at.guided[this.number]) predicted = await this.guided(predicted, inputs);
    const [ofNoisy, ofPrediction] = at.clean;
    const scale = this.data.detail_scale ?? 1;
    const local = this.data.detail_scale === null ? null : inputs[this.enlarged.input];
    return predicted.map((prediction, k) => {
      const clean = ofNoisy * inputs.noisy[k] + ofPrediction * prediction;
      if (!Number.isFinite(clean)) {
        throw new Error(
          "The network predicts NaN or infinity. Export the model with " +
            `precision="float32". Received: timestep=${at.timestep}.`,
        );
      }
      const center = local ? local[k] : 0;
      const [low, high] = [(-1 - center) / scale, (1 - center) / scale];
      return Math.min(Math.max(clean, low), high);
    });
  }

  // The prediction, moved away from a worse one.
  async guided(good, inputs) {
    const { network, label, scale } = this.guidance;
    const changed = label === null ? {} : { label: inputs.label.map(() => label) };
    const worse = await this.calls[network]({ ...inputs, ...changed });
    return worse.map((value, k) => value + scale * (good[k] - value));
  }

  // List of pairs: the first pixel and the blend weights, for rows and columns.
  tiles(at) {
    const grid = this.data.grids[at.grids[this.number]];
    const rng = new Generator([this.seed], [BigInt(at.key)]);
    const [rows, cols] = [grid.rows, grid.cols].map((axis, k) => {
      const [low, high] = axis.offsets;
      const line = axis.lines[rng.integer(low, high) - low];
      return line.map((tile) => lineOf(tile, this.data.window[k]));
    });
    return rows.flatMap((row) => cols.map((col) => [row, col]));
  }

  // The inputs that are the same for all tiles: numbers and Float32Arrays.
  shared(noisy, at) {
    const shared = { timestep: at.timestep };
    if (this.label !== null) shared.label = this.label;
    for (const [name, source] of Object.entries(this.data.inputs)) {
      if (source.kind === "value") shared[name] = source.value;
      if (source.kind === "previous") shared[name] = this.previous[source.stage].data;
      if (source.kind === "pooled") {
        shared[name] = resample(noisy, source.rows, source.cols).data;
      }
    }
    return shared;
  }

  // The inputs of the network for some tiles: flat arrays, by name.
  networkInputs(noisy, group, start, shared) {
    // The last tile is repeated up to the size of a call.
    const numbers = Array.from({ length: this.perCall }, (_, k) =>
      Math.min(k, group.length - 1),
    );
    const own = { noisy: numbers.map((k) => cut(noisy, ...group[k])) };
    if (this.enlarged) {
      own[this.enlarged.input] = numbers.map((k) => cut(this.local, ...group[k]));
    }
    for (const [name, source] of Object.entries(this.data.inputs)) {
      if (source.kind === "index") own[name] = numbers.map((k) => start + k);
      if (source.kind === "pixels") {
        own[name] = numbers.map((k) => places(source, ...group[k]));
      }
    }
    return Object.fromEntries(
      Object.entries(this.inputs).map(([name, spec]) => {
        const values = own[name] ?? numbers.map(() => shared[name]);
        return [name, joined(values, spec.shape)];
      }),
    );
  }
}

// A tile along one axis: its first pixel, and the blend weights of its window.
function lineOf([start, [first, end], weights], window) {
  const blend = new Float32Array(window);
  if (weights === null) blend.fill(1, first, end);
  else blend.set(weights, first);
  return { start, blend };
}

// The coordinates of the pixels of a window: across, then down.
function places(source, rows, cols) {
  const values = [];
  for (let row = 0; row < rows.blend.length; row++) {
    for (let col = 0; col < cols.blend.length; col++) {
      values.push(source.cols[cols.start + col], source.rows[rows.start + row]);
    }
  }
  return values;
}

// One flat array of the values of all tiles; a number is repeated to the shape.
function joined(values, shape) {
  const out = new Float32Array(shape.reduce((size, length) => size * length, 1));
  const size = out.length / values.length;
  for (const [k, value] of values.entries()) {
    if (typeof value === "number") out.fill(value, k * size, (k + 1) * size);
    else out.set(value, k * size);
  }
  return out;
}
