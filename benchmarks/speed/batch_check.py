"""What the check of every batch costs in `fit`, beside a step of training.

    KERAS_BACKEND=torch python -m benchmarks.speed.batch_check

Milliseconds for images with labels, medians of several calls; the step is that of a
small cascade in 2 x 2 patches.
"""

import statistics

import numpy as np

import keras_patchdpm as kp
from benchmarks import command_line, measuring
from keras_patchdpm.models._batches import BatchCheck

CLASSES = 10


def main():
    """Measures, writes the line."""
    parser = command_line.parser(__doc__, image_size=64, batch=64, width=32)
    options = parser.parse_args()
    model = measuring.build_model(
        "cascade2", options.image_size, width=options.width, num_classes=CLASSES
    )
    model.compile(optimizer="adam")
    images = kp.datasets.synthetic_scenes(options.batch, options.image_size)
    floats = (images / 127.5 - 1).astype("float32")
    labels = np.arange(options.batch) % CLASSES
    check = BatchCheck(model)
    figures = {
        "uint8_ms": milliseconds(lambda: check((images, labels), 1), 100),
        "float32_ms": milliseconds(lambda: check((floats, labels), 1), 100),
        "step_ms": milliseconds(lambda: model.train_on_batch(images, labels), 5),
    }
    command_line.write(options, figures)


def milliseconds(call, times):
    """The median of several calls, after one that does not count."""
    call()
    found = [measuring.seconds(call) for _ in range(times)]
    return round(1000 * statistics.median(found), 3)


if __name__ == "__main__":
    main()
