"""Whether one seed gives the same bits: twice in a process, and over processes.

    KERAS_BACKEND=torch python benchmarks/same_bits.py

Each process trains a small cascade for a few steps and samples it, twice. Processes of
one thread are compared with each other bit for bit; one of more threads is compared
with them by the largest difference, of the weights and of the images, which lie in
[-1, 1]. One line of JSON.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile

import keras
import numpy as np

SIZE = 32
THREADS = ("OMP_NUM_THREADS", "TF_NUM_INTRAOP_THREADS", "TF_NUM_INTEROP_THREADS")


def main():
    """Starts the processes, compares, prints."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--write", help="where a process writes its arrays")
    options = parser.parse_args()
    if options.write:
        np.savez(options.write, **results())
        return
    with tempfile.TemporaryDirectory() as folder:
        one, again, more = (
            in_process(os.path.join(folder, f"{number}.npz"), threads)
            for number, threads in enumerate((1, 1, options.threads))
        )
    line = {
        "benchmark": "same_bits",
        "backend": keras.backend.backend(),
        "twice_in_a_process": same(one, "first", "second"),
        "over_processes": all(np.array_equal(one[name], again[name]) for name in one),
        "threads": options.threads,
        "weights_differ_by": apart(one["first_weights"], more["first_weights"]),
        "images_differ_by": apart(one["first_images"], more["first_images"]),
    }
    print(json.dumps(line))


def results():
    """Weights and images of two trainings, a dict of arrays."""
    import keras_patchdpm as kp

    arrays = {}
    for run in ("first", "second"):
        keras.utils.set_random_seed(0)
        patching = kp.CascadePatching(2)
        network = kp.networks.unet(SIZE, patching, width=32, dropout=0.1)
        model = kp.PatchDPM(network, kp.DDPMSchedule(prediction="velocity"), patching)
        model.compile(optimizer=keras.optimizers.Adam(1e-3))
        images = kp.datasets.synthetic_scenes(64, SIZE)
        model.fit(kp.datasets.ImageBatches(images, 16), epochs=3, verbose=0)
        flat = [keras.ops.convert_to_numpy(weight).ravel() for weight in model.weights]
        arrays[f"{run}_weights"] = np.concatenate(flat)
        arrays[f"{run}_images"] = kp.PatchSampler(model, "ddim", 10)(4, dtype="float32")
    return arrays


def in_process(path, threads):
    """The arrays of a new process with that many threads."""
    environment = {**os.environ, **dict.fromkeys(THREADS, str(threads))}
    if threads == 1:  # JAX's own threads.
        flags = "--xla_cpu_multi_thread_eigen=false intra_op_parallelism_threads=1"
        environment["XLA_FLAGS"] = flags
    command = [sys.executable, __file__, "--write", path]
    subprocess.run(command, check=True, env=environment)
    with np.load(path) as arrays:
        return dict(arrays)


def same(arrays, *runs):
    """Whether two runs of a process agree, bit for bit."""
    first, second = runs
    return all(
        np.array_equal(arrays[f"{first}_{kind}"], arrays[f"{second}_{kind}"])
        for kind in ("weights", "images")
    )


def apart(one, other):
    """The largest difference."""
    return float(f"{np.abs(one - other).max():.3g}")


if __name__ == "__main__":
    main()
