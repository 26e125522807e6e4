"""The memory of a whole process that samples an exported model, without Keras.

    KERAS_BACKEND=torch python -m benchmarks.memory.edge --preset faces128 --save a.npy
    python -m benchmarks.memory.edge faces128_onnx --n 2 --reference a.npy

The first command samples with the package and saves the images; its line has the
memory and the time of the package. The second measures an exported folder, and compares
its images with those. Keras is imported only after the measurement, for the line.
"""

import argparse
import json
import pathlib
import resource
import time

import numpy as np


def main():
    """Samples, reads the highest memory of the process, writes the line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    add = parser.add_argument
    add("folder", nargs="?", help="exported folder")
    add("--preset", help="sample this preset with the package instead")
    add("--n", type=int, default=2, help="patches per side")
    add("--images", type=int, default=1, help="images that are sampled")
    add("--seed", type=int, default=0, help="of the noise")
    add("--save", help="file (.npy) for the images of the package")
    add("--reference", help="images of the package, to compare with")
    add("--keep", action="store_true", help="append the line to benchmarks/results/")
    options = parser.parse_args()
    images, figures = (_package if options.preset else _edge)(options)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
    figures["process_peak_mb"] = round(peak / 1e6, 1)
    if options.save:
        np.save(options.save, images)
    if options.reference:
        difference = np.abs(images - np.load(options.reference, allow_pickle=False))
        figures["difference"] = float(difference.max())
    from benchmarks import command_line  # Imports Keras.

    command_line.write(options, figures)


def _edge(options):
    """`(images, figures)` of an exported folder."""
    import keras_patchdpm_edge as edge

    folder = pathlib.Path(options.folder)
    described = json.loads((folder / "patchdpm.json").read_text())
    size = sum(network["bytes"] for network in described["networks"])
    images, seconds = _timed(
        lambda: edge.sample(
            folder, options.n, options.images, options.seed, dtype="float32"
        )
    )
    names = {name: described[name] for name in ("runtime", "precision")}
    return images, {**names, "file_mb": round(size / 1e6, 1), **seconds}


def _package(options):
    """`(images, figures)` of the package; the first time it compiles."""
    import keras_patchdpm as kp

    model = kp.PatchDPM.from_preset(options.preset)
    sampler = model.sampler(model.tiled(options.n))

    def call():
        return sampler(options.images, options.seed, dtype="float32")

    _, first = _timed(call)
    images, seconds = _timed(call)
    return images, {"runtime": "keras", "first_seconds": first["seconds"], **seconds}


def _timed(call):
    """What a function returns, and its seconds: of the clock, and of all cores."""
    start, used = time.perf_counter(), time.process_time()
    result = call()
    return result, {
        "seconds": round(time.perf_counter() - start, 1),
        "cpu_seconds": round(time.process_time() - used, 1),
    }


if __name__ == "__main__":
    main()
