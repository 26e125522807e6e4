"""Trains the package's faces in one compiled loop, on a GPU, in minutes.

    KERAS_BACKEND=jax python -m benchmarks.quality.train_on_gpu cascade \
        --data128 a.npy --data64 b.npy --minutes 5
    KERAS_BACKEND=jax python -m benchmarks.quality.train_on_gpu grid \
        --data64 b.npy --minutes 3 --width 64

The images are uint8, `(count, size, size, 3)`. The learning rate reaches zero when the
time is up. Then the preset is written, and the line with the steps and the patches.
`compiled_training.py` has the loop.

An earlier form of this script trained the presets `faces128` (with `--start`) and
`faces64_n2`: the same loop, with the images read from JPEG mosaics. On an NVIDIA H200
it trained on 55,700 patches of 32 x 32 a second (a cascade, width 96, bfloat16, batches
of 1,024), and on 85,200 of a grid (width 64). This form ran at small size on a CPU.
"""

import pathlib

import jax.numpy as jnp
import keras
import numpy as np

import keras_patchdpm as kp
from benchmarks import command_line
from benchmarks.quality.compiled_training import EMA, Training
from keras_patchdpm import presets

CASCADE = {"image_size": 128, "width": 96}
GRID = {"image_size": 64, "width": 64}


def main():
    """Trains for the time given, writes a preset and the line."""
    options = parse()
    keras.config.set_dtype_policy("mixed_bfloat16")
    keras.utils.set_random_seed(0)
    config = described(options)
    model = kp.PatchDPM(**presets.parts(config), seed=0)
    if options.start:
        presets.load_weights(model.network, options.start)
    paths = options.data64, options.data128 or options.data64
    images = [jnp.asarray(np.load(path)) for path in paths]
    steps = Training(model, options).run(images)
    record = {
        "steps": steps,
        "batch_size": sum(options.shares),
        "ema_momentum": EMA,
        "stage_shares": options.shares,
        "learning_rate": options.learning_rate,
        "precision": "mixed_bfloat16",
        "start_from": options.start,
        "patches_seen": steps * sum(options.shares),
        "flip": True,
    }
    config = {**config, "training": record}
    presets.save(options.out, config, model.network, card="SHA-256: {sha256}\n")
    command_line.write(options, record)


def described(options):
    """The configuration of the model."""
    size = CASCADE if options.what == "cascade" else GRID
    network = {"name": "unet", **size, "stem": 2, "dropout": 0.05}
    if options.width:
        network["width"] = options.width
    patching = {"name": "GridPatching", "divisions": 2}
    if options.what == "cascade":
        patching = {"name": "CascadePatching", "divisions": 4, "content_noise": 0.5}
    schedule = {"name": "DDPMSchedule", "prediction": "velocity"}
    return {"network": network, "schedule": schedule, "patching": patching}


def parse():
    """The arguments of the command line."""
    parser = command_line.parser(__doc__)
    add = parser.add_argument
    add("what", choices=["cascade", "grid"], help="kind of patching")
    add("--data64", required=True, help=".npy of images of 64 pixels")
    add("--data128", help=".npy of images of 128 pixels, for a cascade")
    add("--minutes", type=float, default=5, help="of training")
    add("--learning-rate", type=float, default=4e-4, help="after the warm-up")
    add("--warmup", type=int, default=200, help="steps")
    add("--shares", type=int, nargs="+", help="patches of each stage in a batch")
    add("--width", type=int, help="channels of the network at depth 0")
    add("--start", help="preset whose weights the training starts from")
    add("--out", type=pathlib.Path, default="runs/gpu", help="folder of the preset")
    options = parser.parse_args()
    if options.shares is None:
        options.shares = [704, 176, 144] if options.what == "cascade" else [1024]
    return options


if __name__ == "__main__":
    main()
