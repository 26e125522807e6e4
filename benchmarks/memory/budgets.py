"""Random memory budgets: what is planned for them, and what the run then needs.

    KERAS_BACKEND=torch python -m benchmarks.memory.budgets
    TF_CPU_ALLOCATOR_USE_BFC=1 KERAS_BACKEND=tensorflow \
        python -m benchmarks.memory.budgets
    MALLOC_ARENA_MAX=1 MALLOC_MMAP_THRESHOLD_=65536 KERAS_BACKEND=jax \
        python -m benchmarks.memory.budgets

Each plan draws the patching, the size of the image, the width of the network, and the
budget, at random between what the smallest call and what the largest needs. One of
three is a plan of a training with Adam, the others are plans of a sampling, which also
draw the solver, the images and the storage of the weights. There is a line for each.

`measured_mb` is not the plan's own measurement of a call or a step. It is of a whole
sampling or `fit`, after a first one that compiles: on TensorFlow the peak of the
allocator, on PyTorch that of the profiler's memory events, on JAX that of all bytes
which the process has allocated and not freed, looked up every half millisecond.
`of_budget` above 1 is a plan that does not hold.
"""

import functools
import re
import tempfile

import keras
import numpy as np

import keras_patchdpm as kp
from benchmarks import command_line, measuring
from benchmarks.measuring import megabytes
from benchmarks.memory.allocated import peak_above
from keras_patchdpm.memory.amounts import parse_bytes

PATCHINGS = ("whole", "grid2", "grid4", "cascade2", "cascade4")
SOLVERS = ("ddpm", "ddim", "dpmpp_2m", "heun")


def main():
    """Draws the plans, runs each, writes a line for each."""
    parser = command_line.parser(__doc__, seed=0)
    parser.add_argument("--plans", type=int, default=30, help="plans to draw")
    parser.add_argument("--first", type=int, default=0, help="the first one to run")
    options = parser.parse_args()
    for number in range(options.first, options.plans):
        rng = np.random.default_rng((options.seed, number))
        patching, size = str(rng.choice(PATCHINGS)), int(rng.choice([64, 96, 128]))
        width = int(rng.choice([16, 32, 48]))
        model = measuring.build_model(patching, size, width=width, stem=2)
        run = train if number % 3 == 2 else sample
        figures = run(model, rng)
        drawn = {"number": number, "patching": patching, "image": size, "width": width}
        command_line.write(options, {**drawn, **figures})
        keras.utils.clear_session()


def sample(model, rng):
    """Plans and runs a sampling; the dict of its figures."""
    storage, solver = rng.choice(["float32", "float16"]), str(rng.choice(SOLVERS))
    if storage == "float16":
        with tempfile.TemporaryDirectory() as folder:
            model.save_to_preset(folder)
            model = kp.PatchDPM.from_preset(folder, storage="float16")
    images = int(rng.integers(1, 9))

    def planned(budget):
        sampler = kp.PatchSampler(model, solver, 2)
        held = sampler.solver.image_buffers
        return kp.memory.plan(model, budget, images, images_held=held)

    plan = planned(_budget(planned, rng))
    sampler = kp.PatchSampler(
        model,
        solver,
        2,
        patches_per_call=plan.patches_per_call,
        images_on=plan.images_on,
    )
    peak = peak_above(lambda: sampler(images, batch_size=plan.batch_size))
    return {
        "what": f"sampling, {solver}, {storage}",
        "planned": f"{plan.patches_per_call} x {plan.batch_size}",
        **_figures(plan, plan.weights + peak),
    }


def train(model, rng):
    """Plans and runs a training; the dict of its figures."""
    model.compile(optimizer=keras.optimizers.Adam(use_ema=bool(rng.integers(2))))

    def planned(budget):
        return kp.memory.plan(model, budget, training=True)

    largest = kp.memory.profile(model, 8, training=True, timed=False).peak
    plan = planned(_budget(planned, rng, largest))
    shape = (2 * plan.batch_size, *model.image_shape)
    images = rng.integers(256, size=shape, dtype="uint8")

    def fit():
        model.fit(images, batch_size=plan.batch_size, verbose=0)

    peak = peak_above(fit, functools.partial(_as_in_a_training, model))
    return {
        "what": "training",
        "planned": plan.batch_size,
        **_figures(plan, plan.weights + plan.optimizer + peak),
    }


def _as_in_a_training(model):
    """Prepares a trained model, so that a `fit` needs what an epoch of a long one does.

    PyTorch's profiler does not see that gradients of an earlier step are freed. On the
    others the weights and their averages have the same memory after a `fit`.
    """
    if keras.backend.backend() == "torch":
        model.zero_grad()
        return
    for variable in model.optimizer.variables:
        variable.assign(variable + 0)


def _budget(planned, rng, largest=None):
    """A budget between the smallest that works and the largest that is of use."""
    try:
        planned(1)
    except ValueError as error:
        smallest = parse_bytes("smallest", _smallest(str(error)))
    largest = max(largest or planned("1000GB").peak, smallest)
    return int(rng.uniform(smallest, largest)) + 1


def _smallest(message):
    """The smallest budget that works, as an error states it."""
    return re.search(r"that works is ([\d.]+ ?\w+)", message)[1].replace("bytes", "B")


def _figures(plan, measured):
    return {
        "budget_mb": megabytes(plan.budget),
        "predicted_mb": megabytes(plan.peak),
        "measured_mb": megabytes(measured),
        "of_budget": round(measured / plan.budget, 3),
        "error": round(plan.peak / measured - 1, 3),
    }


if __name__ == "__main__":
    main()
