"""Super-resolution by `faces128`: detail and fidelity, beside bicubic interpolation.

    KERAS_BACKEND=tensorflow python -m benchmarks.quality.super_resolution \
        --images 200 --data faces128.npy

The images of `--data` (uint8, 128 x 128 pixels) are averaged to 64 x 64 and enlarged
again. There is a line for each way: FD-MNv2 against the images of `--data` that were
not enlarged, and the mean PSNR to the originals. The line `originals` has the FD-MNv2
of the images themselves, the reference value. FD-MNv2 depends on the count.
"""

import keras
import numpy as np

import keras_patchdpm as kp
from benchmarks import command_line
from keras_patchdpm.resize import shrink


def main():
    """Enlarges, measures, writes the lines."""
    parser = command_line.parser(__doc__, images=200, steps=12)
    parser.add_argument("--data", required=True, help=".npy of images")
    options = parser.parse_args()
    data = np.load(options.data, mmap_mode="r")
    originals, others = np.array(data[: options.images]), data[options.images :]
    small = shrink(originals.astype("float32"), (64, 64))
    small = np.rint(keras.ops.convert_to_numpy(small)).astype("uint8")
    model = kp.PatchDPM.from_preset("faces128")
    sampler = model.sampler(model.tiled(4), steps=options.steps, patches_per_call=4)
    ways = {
        "originals": originals,
        "bicubic": bicubic(small),
        "faces128": sampler(options.images, 7, thumbnails=small, verbose=1),
    }
    extractor = kp.metrics.load_extractor("mobilenet_v2")
    reference = kp.metrics.statistics(others, extractor)
    for way, images in ways.items():
        distance = kp.metrics.frechet_distance(
            kp.metrics.statistics(images, extractor), reference
        )
        figures = {
            "way": way,
            "fd_mnv2": round(float(distance), 1),
            "psnr": None if way == "originals" else round(psnr(images, originals), 2),
            "seam_ratio": round(kp.metrics.seam_ratio(images, 4), 3),
        }
        command_line.write(options, figures)


def bicubic(images):
    """Images of twice the size."""
    size = tuple(2 * side for side in images.shape[1:3])
    larger = keras.ops.image.resize(
        images.astype("float32"), size, interpolation="bicubic"
    )
    larger = np.rint(keras.ops.convert_to_numpy(larger))
    return np.clip(larger, 0, 255).astype("uint8")


def psnr(images, originals):
    """Mean peak signal-to-noise ratio in dB."""
    error = (images.astype("float64") - originals) ** 2
    return float(np.mean(10 * np.log10(255**2 / error.mean(axis=(1, 2, 3)))))


if __name__ == "__main__":
    main()
