// Images: `{shape: [height, width, channels], data: Float32Array}`, in [-1, 1].

// A black image, or one with the given pixels.
export function image(shape, data = new Float32Array(shape[0] * shape[1] * shape[2])) {
  return { shape, data };
}

// The pixels of a window, as one Float32Array.
export function cut(from, rows, cols) {
  const [, width, channels] = from.shape;
  const line = cols.blend.length * channels;
  const out = new Float32Array(rows.blend.length * line);
  for (let row = 0; row < rows.blend.length; row++) {
    const first = ((rows.start + row) * width + cols.start) * channels;
    out.set(from.data.subarray(first, first + line), row * line);
  }
  return out;
}

// Adds the pixels of a window to an image, times the blend weights of the window.
export function blendInto(whole, pixels, rows, cols) {
  const [, width, channels] = whole.shape;
  let from = 0;
  for (let row = 0; row < rows.blend.length; row++) {
    let to = ((rows.start + row) * width + cols.start) * channels;
    for (let col = 0; col < cols.blend.length; col++) {
      const weight = rows.blend[row] * cols.blend[col];
      for (let k = 0; k < channels; k++) whole.data[to++] += weight * pixels[from++];
    }
  }
}

// The sum of images, each times its scale; scales of 0 are left out.
export function weightedSum(terms) {
  const used = terms.filter(([scale]) => scale);
  const out = image(used[0][1].shape);
  for (const [scale, { data }] of used) {
    for (let k = 0; k < data.length; k++) out.data[k] += scale * data[k];
  }
  return out;
}

// Resizes an image along both axes. `rows` and `cols` have for each new pixel a list of
// the first old pixel, and the weights of this and the following ones.
export function resample(from, rows, cols) {
  const [height, width, channels] = from.shape;
  const tall = image([rows.length, width, channels]);
  weighLines(from.data, tall.data, rows, { lines: 1, length: width * channels });
  const out = image([rows.length, cols.length, channels]);
  const across = { lines: rows.length, length: channels, old: width };
  weighLines(tall.data, out.data, cols, across);
  return out;
}

function weighLines(from, to, taps, { lines, length, old = 0 }) {
  let place = 0;
  for (let line = 0; line < lines; line++) {
    for (const [first, ...weights] of taps) {
      for (let k = 0; k < length; k++, place++) {
        let start = (line * old + first) * length + k;
        let sum = 0;
        for (const weight of weights) {
          sum += weight * from[start];
          start += length;
        }
        to[place] = sum;
      }
    }
  }
}
