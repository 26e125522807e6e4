// Samples one image with an exported model. The names are those of
// `keras_patchdpm_edge/sampling.py`, and so are the images of a seed.

import { image, weightedSum } from "./images.js";
import { Generator } from "./numpy_random.js";
import { Stage } from "./stages.js";

// Generates image 0 of a seed, in [-1, 1].
//
// description: the content of `patchdpm.json`. calls: functions that call its networks.
// count: stages to generate, of which the last is the image. steps: one of the numbers of
// the export. seed: non-negative integer.
// label: class, or null. progress: async function, called after each patch.
export async function sample(description, calls, options) {
  const { count, steps, seed, label = null, progress } = options;
  const program = description.steps[steps];
  const finished = [];
  for (let number = 0; number < count; number++) {
    const data = description.stages[number];
    const noiseOf = (step, ...further) => {
      const rng = new Generator([seed, 0, step, number, ...further]);
      return (shape) => image(shape, rng.normal(shape[0] * shape[1] * shape[2]));
    };
    const previous = withNoise(finished, data.previous_noise, noiseOf);
    const settings = { calls, seed, label: labelOf(description, label), previous };
    const stage = new Stage(number, description, { ...settings, progress });
    const noisy = noiseOf(0)(data.shape);
    const sampled = await walk(stage, noisy, program, noiseOf);
    finished.push(stage.finish(sampled));
  }
  return finished.at(-1);
}

// The images of earlier stages, with the noise that the stage adds to them.
function withNoise(finished, scale, noiseOf) {
  if (!scale) return finished;
  return finished.map((earlier, k) =>
    weightedSum([
      [1, earlier],
      [scale, noiseOf(0, k + 1)(earlier.shape)],
    ]),
  );
}

// Takes an image from noise to the clean image; returns it.
async function walk(stage, noisy, program, noiseOf) {
  let cleanBefore = null;
  for (const [k, step] of program.entries()) {
    stage.step = k + 1;
    const draw = noiseOf(stage.step);
    if (step.add) noisy = added(step.add, draw, { noisy });
    const clean = await stage.denoise(noisy, step.at);
    noisy = added(step.next, draw, { noisy, clean, clean_before: cleanBefore });
    if (step.correct) {
      const { at, scale } = step.correct;
      const then = await stage.denoise(noisy, at);
      noisy = weightedSum([
        [1, noisy],
        [scale, clean],
        [-scale, then],
      ]);
    }
    cleanBefore = clean;
  }
  return noisy;
}

// The images and fresh noise, each times its scale.
function added(scales, draw, images) {
  const terms = Object.entries(images).map(([name, one]) => [scales[name], one]);
  if (scales.noise) terms.push([scales.noise, draw(images.noisy.shape)]);
  return weightedSum(terms);
}

// The label that the network receives; "any" is the number of classes.
function labelOf(description, label) {
  return description.num_classes === null ? null : (label ?? description.num_classes);
}
