"""The peak memory of a training on a folder of images, by their number.

    KERAS_BACKEND=jax python -m benchmarks.memory.folder --count 2000
    KERAS_BACKEND=jax python -m benchmarks.memory.folder --count 20000

The folder is written first: small images of all kinds that `ImageFolder` reads, nested,
every hundredth of them broken. A subprocess trains a small model on all of them for one
epoch. The line has the peak of its resident memory, and the seconds of the epoch. With
`--cache` the images are decoded before, into an array on the disk. Linux only.
"""

import itertools
import pathlib
import re
import subprocess
import sys
import tempfile
import time
import warnings

import numpy as np
from PIL import Image

import keras_patchdpm as kp
from benchmarks import command_line, measuring
from benchmarks.measuring import mebibytes

SIZE = 16
SIDES = ((16, 16), (20, 16), (24, 40))  # Width and height.
_TURNED = Image.Exif()
_TURNED[0x112] = 6
KINDS = (  # Suffix, mode of Pillow and options of `save`.
    (".jpg", "RGB", {}),
    (".jpg", "L", {}),
    (".jpeg", "CMYK", {}),
    (".jpg", "RGB", {"exif": _TURNED}),
    (".png", "RGB", {}),
    (".png", "RGBA", {}),
    (".png", "LA", {}),
    (".png", "P", {}),
    (".png", "1", {}),
    (".png", "I;16", {}),
    (".webp", "RGB", {}),
    (".webp", "RGBA", {}),
    (".tif", "RGB", {}),
    (".tiff", "CMYK", {}),
    (".tif", "I;16", {}),
    (".bmp", "RGB", {}),
    (".bmp", "P", {}),
    (".gif", "P", {}),
)


def main():
    """Writes the files, trains in a subprocess, writes its figures."""
    parser = command_line.parser(__doc__)
    parser.add_argument("--count", type=int, default=2000, help="files")
    parser.add_argument("--cache", action="store_true", help="decode all images first")
    parser.add_argument("--folder", help="train on this folder, in this process")
    options = parser.parse_args()
    if options.folder is not None:
        peak, seconds = train(options.folder, options.cache)
        print(f"peak={peak} seconds={seconds}")
        return
    with tempfile.TemporaryDirectory() as place:
        write_files(pathlib.Path(place) / "photos", options.count)
        command = [sys.executable, "-m", "benchmarks.memory.folder", "--folder", place]
        command += ["--cache"] * options.cache
        printed = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True)
    peak, seconds = re.search(r"peak=(\d+) seconds=([\d.]+)", printed.stdout).groups()
    figures = {
        "peak_mib": mebibytes(int(peak)),
        "epoch_s": round(float(seconds), 1),
    }
    command_line.write(options, figures)


def write_files(folder, count):
    """Writes `count` files of all kinds, in two classes; every hundredth is broken.

    Args:
        folder: `Path`.
        count: Int.

    Returns:
        Int, the number of broken files.
    """
    rng, broken = np.random.default_rng(0), 0
    kinds = itertools.cycle(itertools.product(KINDS, SIDES))
    for number, ((suffix, mode, options), sides) in zip(
        range(count), kinds, strict=False
    ):
        place = folder / f"class {number % 2}" / f"part {number % 7}"
        if number < 14:
            place.mkdir(parents=True, exist_ok=True)
        path = place / f"{number}{suffix}"
        colours = rng.integers(0, 256, (*sides[::-1], 3), dtype="uint8")
        image = Image.fromarray(colours)
        if mode == "I;16":
            values = np.asarray(image.convert("L"), "uint16") * 257
            image = Image.fromarray(values)
        else:
            image = image.convert(mode)
        image.save(path, **options)
        if number % 100 == 50:
            spoil(path, broken)
            broken += 1
    return broken


def spoil(path, number):
    """Breaks a file in one of three ways."""
    if number % 3 == 0:
        path.write_bytes(b"")
    elif number % 3 == 1:
        path.write_bytes(b"no image")
    else:  # Its header can be read.
        path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])


def train(folder, cache):
    """`(peak, seconds)` of an epoch on all images of a folder."""
    warnings.simplefilter("ignore")  # Of the broken files.
    folder = pathlib.Path(folder)
    images = kp.datasets.ImageFolder(
        folder / "photos", SIZE, cache=folder / "cache" if cache else None
    )
    model = measuring.build_model("grid2", SIZE, width=8, multipliers=(1,))
    model.compile(optimizer="adam")
    batches = kp.datasets.ImageBatches(images, 32)
    start = time.perf_counter()
    model.fit(batches, verbose=0)
    return peak_resident(), time.perf_counter() - start


def peak_resident():
    """The peak of the resident memory of this process, in bytes."""
    status = pathlib.Path("/proc/self/status").read_text()
    return 1024 * int(re.search(r"VmHWM:\s+(\d+)", status)[1])


if __name__ == "__main__":
    main()
