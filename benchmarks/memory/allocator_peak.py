"""The allocator's peak of a GPU in a sampling, beside what is predicted.

    KERAS_BACKEND=jax python benchmarks/allocator_peak.py grid1 --images 64
    KERAS_BACKEND=torch python benchmarks/allocator_peak.py grid4 --images 64

One line of JSON: the weights, the activations of a call (`memory.profile`), the arrays
of the images (counted), their sum, and the peak that the allocator itself reports after
two steps, of JAX also that after the compilation alone, with the ratio of both. One
process for each line: a peak stays until the process ends.
"""

import argparse
import json

import keras
from sampler_overhead import build

import keras_patchdpm as kp
from keras_patchdpm.memory.images import images_bytes

MIB = 2**20


def main():
    """Samples two steps and prints the line."""
    options = _options()
    model = build(options.kind, options)
    sampler = kp.PatchSampler(model, "ddim", 2, images_on="device", spacing="trailing")
    predicted = images_bytes(model, 2, "device") * options.images
    sampler(options.images, batch_size=options.images)
    line = {"benchmark": "allocator_peak", "backend": keras.backend.backend()}
    line |= {"kind": options.kind, "images": options.images, "size": options.size}
    line |= {"network": options.network, "width": options.width}
    peak = allocated()  # Before the profile, which measures from new.
    report = kp.memory.profile(model, options.images, timed=False, isolated=False)
    total = report.weights + report.activations + predicted
    line |= {
        "weights_MiB": round(report.weights / MIB, 1),
        "activations_MiB": round(report.activations / MIB, 1),
        "images_MiB": round(predicted / MIB, 1),
        "sum_MiB": round(total / MIB, 1),
        "allocator_MiB": round(peak / MIB, 1),
        "sum_over_allocator": round(total / peak, 3) if peak else None,
    }
    print(json.dumps(line), flush=True)


def allocated():
    """Bytes of the GPU that were in use at most; 0 on a CPU."""
    if keras.backend.backend() == "torch":
        import torch

        return torch.cuda.max_memory_allocated() if torch.cuda.is_available() else 0
    if keras.backend.backend() == "jax":
        import jax

        return (jax.devices()[0].memory_stats() or {}).get("peak_bytes_in_use", 0)
    import tensorflow as tf

    if not tf.config.list_physical_devices("GPU"):
        return 0
    return tf.config.experimental.get_memory_info("GPU:0")["peak"]


def _options():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("kind", help="such as grid4 or whole")
    parser.add_argument("--network", choices=("unet", "arakawa_unet"), default="unet")
    parser.add_argument("--size", type=int, default=128)
    parser.add_argument("--width", type=int, default=96)
    parser.add_argument("--stem", type=int, default=2)
    parser.add_argument("--images", type=int, default=64)
    return parser.parse_args()


if __name__ == "__main__":
    main()
