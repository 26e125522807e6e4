"""Whether one seed gives the same bits: twice in a process, and in several processes.

    KERAS_BACKEND=torch python -m benchmarks.quality.same_bits

Each process trains a small cascade for a few steps and samples it, twice. Processes of
one thread are compared with each other bit for bit; one of more threads is compared
with them by the largest difference, of the weights and of the images, which are in
[-1, 1].
"""

import argparse
import os
import subprocess
import sys
import tempfile

import keras
import numpy as np

import keras_patchdpm as kp
from benchmarks import command_line, measuring

SIZE = 32
THREADS = ("OMP_NUM_THREADS", "TF_NUM_INTRAOP_THREADS", "TF_NUM_INTEROP_THREADS")


def main():
    """Starts the processes, compares, writes the line."""
    parser = command_line.parser(__doc__)
    parser.add_argument("--threads", type=int, default=2, help="of the third process")
    parser.add_argument("--child", help=argparse.SUPPRESS)  # The file it writes.
    options = parser.parse_args()
    if options.child:
        np.savez(options.child, **results())
        return
    with tempfile.TemporaryDirectory() as folder:
        one, again, more = (
            in_process(os.path.join(folder, f"{number}.npz"), threads)
            for number, threads in enumerate((1, 1, options.threads))
        )
    figures = {
        "twice_in_a_process": same(one, "first", "second"),
        "over_processes": all(np.array_equal(one[name], again[name]) for name in one),
        "weights_differ_by": difference(one["first_weights"], more["first_weights"]),
        "images_differ_by": difference(one["first_images"], more["first_images"]),
    }
    command_line.write(options, figures)


def results():
    """Weights and images of two trainings, a dict of arrays."""
    arrays = {}
    for run in ("first", "second"):
        keras.utils.set_random_seed(0)
        schedule = kp.DDPMSchedule(prediction="velocity")
        model = measuring.build_model(
            "cascade2", SIZE, schedule=schedule, width=32, dropout=0.1
        )
        model.compile(optimizer=keras.optimizers.Adam(1e-3))
        images = kp.datasets.synthetic_scenes(64, SIZE)
        model.fit(kp.datasets.ImageBatches(images, 16), epochs=3, verbose=0)
        flat = [keras.ops.convert_to_numpy(weight).ravel() for weight in model.weights]
        arrays[f"{run}_weights"] = np.concatenate(flat)
        sampler = measuring.build_sampler(model, "ddim", 10)
        arrays[f"{run}_images"] = sampler(4, dtype="float32")
    return arrays


def in_process(path, threads):
    """The arrays of a new process with that many threads."""
    environment = {**os.environ, **dict.fromkeys(THREADS, str(threads))}
    if threads == 1:  # JAX's own threads.
        flags = "--xla_cpu_multi_thread_eigen=false intra_op_parallelism_threads=1"
        environment["XLA_FLAGS"] = flags
    command = [sys.executable, "-m", "benchmarks.quality.same_bits", "--child", path]
    subprocess.run(command, check=True, env=environment, cwd=command_line.ROOT)
    with np.load(path) as arrays:
        return dict(arrays)


def same(arrays, *runs):
    """Whether two runs of a process agree, bit for bit."""
    first, second = runs
    return all(
        np.array_equal(arrays[f"{first}_{kind}"], arrays[f"{second}_{kind}"])
        for kind in ("weights", "images")
    )


def difference(one, other):
    """The largest absolute difference."""
    return float(f"{np.abs(one - other).max():.3g}")


if __name__ == "__main__":
    main()
