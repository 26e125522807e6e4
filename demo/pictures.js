// Shows images on a canvas, and saves them.

// Draws an image in [-1, 1] of 1, 3 or 4 channels; the canvas gets its size.
export function draw({ shape, data }, canvas) {
  const [height, width, channels] = shape;
  const pixels = new ImageData(width, height);
  for (let k = 0; k < width * height; k++) {
    for (let channel = 0; channel < 4; channel++) {
      const from = channels === 1 ? 0 : channel;
      const seen = channel < 3 || channels === 4;
      const value = seen ? (data[k * channels + from] + 1) * 127.5 : 255;
      pixels.data[4 * k + channel] = value; // It is rounded and clipped to 0 to 255.
    }
  }
  if (canvas.width !== width) canvas.width = width;
  if (canvas.height !== height) canvas.height = height;
  canvas.getContext("2d").putImageData(pixels, 0, 0);
}

// What a stage shows: the new patches, and the step before where there are none yet.
// shown: what this function returned for the patch before, or null.
export function partial({ stage, clean, rows, cols }, shown) {
  const size = clean.data.length;
  if (shown?.stage !== stage) {
    shown = { stage, picture: { shape: clean.shape, data: new Float32Array(size) } };
  }
  if (shown.clean !== clean) {
    shown = { stage, clean, before: shown.picture, cover: new Float32Array(size) };
  }
  const { before, cover } = shown;
  const [, width, channels] = clean.shape;
  rows.blend.forEach((down, row) =>
    cols.blend.forEach((across, col) => {
      const first = ((rows.start + row) * width + cols.start + col) * channels;
      for (let k = 0; k < channels; k++) cover[first + k] += down * across;
    }),
  );
  const data = clean.data.map((value, k) => value + (1 - cover[k]) * before.data[k]);
  return { ...shown, picture: { shape: clean.shape, data } };
}

// Places a frame around a patch.
export function frame(element, { clean, rows, cols }) {
  const [height, width] = clean.shape;
  const side = Math.max(height, width); // The canvas is shown in a square.
  const place = (start, whole) => `${(100 * (start + (side - whole) / 2)) / side}%`;
  element.style.top = place(rows.start, height);
  element.style.left = place(cols.start, width);
  element.style.height = `${(100 * rows.blend.length) / side}%`;
  element.style.width = `${(100 * cols.blend.length) / side}%`;
}

// Saves a canvas as a PNG file.
export async function save(canvas, name) {
  const blob = await new Promise((resolve) => canvas.toBlob(resolve, "image/png"));
  const link = document.createElement("a");
  link.href = URL.createObjectURL(blob);
  link.download = name;
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 60_000);
}
