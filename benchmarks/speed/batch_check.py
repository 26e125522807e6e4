"""What the check of every batch costs in `fit`, beside a step of training.

    KERAS_BACKEND=torch python benchmarks/batch_check.py

Milliseconds for 64 images of 64 x 64 pixels with labels, medians; the step is that of a
small cascade in 2 x 2 patches. One line of JSON.
"""

import json
import statistics
import time

import keras_patchdpm as kp  # Before Keras, for which it picks the backend.

# isort: split
import keras
import numpy as np

from keras_patchdpm.models._batches import BatchCheck

SIZE, BATCH, CLASSES = 64, 64, 10


def main():
    """Measures, prints."""
    patching = kp.CascadePatching(2)
    network = kp.networks.unet(SIZE, patching, width=32, num_classes=CLASSES)
    model = kp.PatchDPM(network, kp.DDPMSchedule(), patching)
    model.compile(optimizer="adam")
    images = kp.datasets.synthetic_scenes(BATCH, SIZE)
    floats = (images / 127.5 - 1).astype("float32")
    labels = np.arange(BATCH) % CLASSES
    check = BatchCheck(model)
    line = {
        "benchmark": "batch_check",
        "backend": keras.backend.backend(),
        "uint8_ms": milliseconds(lambda: check((images, labels), 1), 100),
        "float32_ms": milliseconds(lambda: check((floats, labels), 1), 100),
        "step_ms": milliseconds(lambda: model.train_on_batch(images, labels), 5),
    }
    print(json.dumps(line))


def milliseconds(work, times):
    """The median of several calls, after one that does not count."""
    work()
    seconds = []
    for _ in range(times):
        start = time.perf_counter()
        work()
        seconds.append(time.perf_counter() - start)
    return round(1000 * statistics.median(seconds), 3)


if __name__ == "__main__":
    main()
