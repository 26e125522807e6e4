"""How much a process grows that samples, trains or builds models again and again.

    KERAS_BACKEND=jax python -m benchmarks.memory.leaks samplings --count 300
    KERAS_BACKEND=jax python -m benchmarks.memory.leaks fits --count 300
    KERAS_BACKEND=jax python -m benchmarks.memory.leaks models --count 50

`samplings` are calls of a sampler, `fits` trainings of one step, `models` are built,
compiled and dropped. The line has the resident memory after a tenth of the repetitions
and after all of them, and the growth between them. Memory that the C library keeps for
later is first given back to the system, where that is possible.

Models that are also trained and dropped cost TensorFlow 37 MiB each, plain Keras models
as well: it keeps the graphs. Start a process for each training.
"""

import ctypes
import gc
import sys

import keras
import psutil

import keras_patchdpm as kp
from benchmarks import command_line, measuring
from benchmarks.measuring import mebibytes

SIZE = 16


def main():
    """Repeats one kind of work, writes how memory grew."""
    parser = command_line.parser(__doc__)
    parser.add_argument("work", choices=["samplings", "fits", "models"])
    parser.add_argument("--count", type=int, default=50, help="repetitions")
    options = parser.parse_args()
    model, images = new_model(), kp.datasets.synthetic_scenes(8, SIZE)
    sampler = measuring.build_sampler(model)
    work = {
        "samplings": lambda: sampler(2),
        "fits": lambda: model.fit(images, batch_size=len(images), verbose=0),
        "models": drop_model,
    }[options.work]
    first, memory = max(options.count // 10, 1), []
    for number in range(options.count):
        work()
        if number + 1 in (first, options.count):
            memory.append(resident())
    figures = {
        "after_a_tenth_mib": mebibytes(memory[0]),
        "after_all_mib": mebibytes(memory[-1]),
        "growth_percent": round(100 * (memory[-1] / memory[0] - 1), 2),
    }
    command_line.write(options, figures)


def new_model():
    """A small cascade, compiled."""
    model = measuring.build_model("cascade2", SIZE, width=16, multipliers=(1,))
    model.compile(optimizer=keras.optimizers.Adam(1e-4, use_ema=True))
    return model


def drop_model():
    """Builds a model and drops it; Python frees it when it collects cycles."""
    new_model()
    gc.collect()


def resident():
    """Bytes of this process in memory, after unused memory was freed."""
    gc.collect()
    if sys.platform == "linux":
        ctypes.CDLL(None).malloc_trim(0)
    return psutil.Process().memory_info().rss


if __name__ == "__main__":
    main()
