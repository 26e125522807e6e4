"""The peak of the device's allocator during sampling, beside what the library predicts.

    KERAS_BACKEND=torch python -m benchmarks.memory.allocator_peak grid4 --images 64
    TF_CPU_ALLOCATOR_USE_BFC=1 KERAS_BACKEND=tensorflow \
        python -m benchmarks.memory.allocator_peak grid4 --images 8
    MALLOC_ARENA_MAX=1 MALLOC_MMAP_THRESHOLD_=65536 KERAS_BACKEND=jax \
        python -m benchmarks.memory.allocator_peak grid4 --images 8

Predicted are the weights, the activations of a call (`memory.profile`) and the arrays
of the images (counted). The line has their sum, the peak that the allocator reports
after two steps, and the ratio of both. On a GPU a peak remains until the process ends,
and on JAX it includes the compilation. On a CPU it is that of a second sampling.
"""

import functools

import keras

import keras_patchdpm as kp
from benchmarks import command_line, measuring
from benchmarks.measuring import mebibytes
from benchmarks.memory.allocated import peak_above
from keras_patchdpm.memory.images import images_bytes


def main():
    """Samples two steps and writes the line."""
    parser = command_line.parser(
        __doc__, network="unet", image_size=128, width=96, stem=2, images=64
    )
    parser.add_argument("kind", help="of patching, with N: such as grid4 or whole")
    options = parser.parse_args()
    model = measuring.build_model(
        options.kind,
        options.image_size,
        network=options.network,
        schedule=kp.DDPMSchedule(prediction="velocity"),
        width=options.width,
        stem=options.stem,
    )
    sampler = measuring.build_sampler(model, images_on="device", spacing="trailing")
    predicted = options.images * images_bytes(
        model.tiled(), images_held=2, images_on="device"
    )
    sample = functools.partial(sampler, options.images, batch_size=options.images)
    sample()
    peak = peak_of_gpu()  # Before the profile, which resets it.
    report = kp.memory.profile(model, options.images, timed=False, isolated=False)
    peak = peak or report.weights + peak_above(sample)
    total = report.weights + report.activations + predicted
    figures = {
        "weights_MiB": mebibytes(report.weights),
        "activations_MiB": mebibytes(report.activations),
        "images_MiB": mebibytes(predicted),
        "sum_MiB": mebibytes(total),
        "allocator_MiB": mebibytes(peak),
        "sum_over_allocator": round(total / peak, 3),
    }
    command_line.write(options, figures)


def peak_of_gpu():
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


if __name__ == "__main__":
    main()
