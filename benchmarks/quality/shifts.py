"""The seam ratio of a cascade by how many of its steps have shifted grids.

    KERAS_BACKEND=torch python -m benchmarks.quality.shifts --n 2 --data faces64.npy

A shifted grid has one more row and one more column of patches, so it costs more.
`CascadePatching(shift_below=)` shifts it in the last steps alone. The images of
`--data` (uint8, of 32 pixels for each patch) are halved, and the last stage of
`faces128` enlarges them again, from the same noise for each strength. There is a line
for each: the seam ratio over that of the images of `--data`, the steps with a shifted
grid, and the patches of the stage over those of a fixed grid.
"""

import math

import keras
import numpy as np

import keras_patchdpm as kp
from benchmarks import command_line
from keras_patchdpm.resize import shrink

BELOW = [math.inf, 1.0, 0.6, 0.3, 0.2, 0.0]


def main():
    """Samples with each strength, writes the lines."""
    parser = command_line.parser(__doc__, n=2, images=40, steps=12)
    parser.add_argument("--data", required=True, help=".npy of images")
    parser.add_argument(
        "--below",
        type=float,
        nargs="+",
        default=BELOW,
        help="strengths of the noise below which grids are shifted",
    )
    parser.add_argument("--out", help="folder for the images, .npy files")
    options = parser.parse_args()
    real = np.load(options.data, mmap_mode="r")[: options.images]
    expected = kp.metrics.seam_ratio(real, options.n)
    half = shrink(real.astype("float32"), tuple(side // 2 for side in real.shape[1:3]))
    half = np.rint(keras.ops.convert_to_numpy(half)).astype("uint8")
    model = kp.PatchDPM.from_preset("faces128")
    for below in options.below:
        each = (below,) * (model.patching.num_stages - 1)
        model.patching.shift_below = None if below == math.inf else each
        sampler = kp.PatchSampler(
            model.tiled(options.n), "dpmpp_2m", options.steps, spacing="trailing"
        )
        images = sampler(options.images, 7, thumbnails=half, batch_size=5)
        shifted = np.mean(
            [level.sigma < below * level.alpha for level in sampler.levels[:-1]]
        )
        patches = shifted * (1 + 1 / options.n) ** 2 + 1 - shifted
        ratio = kp.metrics.seam_ratio(images, options.n)
        figures = {
            "below": below,
            "seam_ratio_over_real": round(ratio / expected, 3),
            "shifted_steps": round(shifted * options.steps),
            "patches_over_fixed": round(patches, 2),
        }
        command_line.write(options, figures)
        if options.out:
            np.save(f"{options.out}/below_{below}.npy", images)


if __name__ == "__main__":
    main()
