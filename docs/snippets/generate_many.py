"""Generates many images in several processes, in files of 64 images.

A file appears complete or not at all, and files that exist are not generated again.
Run the same command after a stop, and on other machines that share the folder.
"""

import concurrent.futures
import multiprocessing
import pathlib

import keras_patchdpm as kp

FOLDER = pathlib.Path("many")
COUNT = 1024  # Images.
SHARE = 64  # Images of a file.
WORKERS = 2
OPTIONS = {"n": 2, "steps": 50, "seed": 0}


def file_of(first):
    """The file of the images from `first` on."""
    return FOLDER / f"{first:08}.npy"


def generate(first):
    """Called in a worker: generates the images of one file."""
    indices = range(first, min(first + SHARE, COUNT))
    kp.save_images(kp.sample(indices=indices, **OPTIONS), file_of(first))


def missing():
    """The first images of the files that do not exist yet."""
    return [first for first in range(0, COUNT, SHARE) if not file_of(first).exists()]


if __name__ == "__main__":
    FOLDER.mkdir(exist_ok=True)
    spawn = multiprocessing.get_context("spawn")  # A forked process would hang.
    while shares := missing():
        try:
            with concurrent.futures.ProcessPoolExecutor(WORKERS, spawn) as pool:
                list(pool.map(generate, shares))
        except concurrent.futures.process.BrokenProcessPool:
            print("A worker was killed. The missing files are generated again.")
