"""Plans a training for a memory budget."""

import dataclasses

from keras_patchdpm.memory._peak import backend_module
from keras_patchdpm.memory._profile import profile
from keras_patchdpm.memory.report import amount

FIRST = 2  # Images of the first measured step. A step of one image is a special case.
LARGEST = 2**16
GROWTH = 8  # A batch is at most so many times the largest that was measured to fit.
TRIALS = 8


@dataclasses.dataclass(frozen=True)
class TrainingPlan:
    """How to train within a budget.

    Attributes:
        batch_size: Int. The largest `batch_size` of `fit` that was measured to fit.
        weights: Int, bytes. The network's variables.
        optimizer: Int, bytes. The optimizer's variables.
        activations: Int, bytes. The measured peak of a step above both, with the
            gradients, and on a CPU a reserve for what a step may need besides.
        budget: Int, bytes.

    Example:

    >>> plan = kp.memory.plan(model, "8GB", training=True)
    >>> model.fit(images, batch_size=plan.batch_size)
    """

    batch_size: int
    weights: int
    optimizer: int
    activations: int
    budget: int

    @property
    def peak(self):
        """Int, bytes. Weights, optimizer and activations together."""
        return self.weights + self.optimizer + self.activations

    def __str__(self):
        return (
            f"batch_size={self.batch_size}: peak {amount(self.peak)} of "
            f"{amount(self.budget)} (weights {amount(self.weights)}, optimizer "
            f"{amount(self.optimizer)}, activations {amount(self.activations)})"
        )


def plan_training(model, budget, *, optimizer, verbose):
    """`memory.plan` of a training, with validated arguments.

    The memory of a step grows about linearly with the batch. Small batches are measured
    first, then larger ones that should fit; only a measured batch is returned.
    """
    plans, backend = {}, backend_module()

    def measured(batch_size):
        if batch_size not in plans:
            if verbose:
                print(f"Measuring a training step, images: {batch_size}", flush=True)
            report = profile(
                model, batch_size, training=True, optimizer=optimizer, timed=False
            )
            plans[batch_size] = TrainingPlan(
                batch_size=batch_size,
                weights=report.weights,
                optimizer=report.optimizer,
                activations=backend.with_reserve(report.activations, training=True),
                budget=budget,
            )
        return plans[batch_size]

    size = FIRST
    for _ in range(TRIALS):
        measured(size)
        size = _next_size(plans, budget)
        if size in plans:
            break
    best = _largest(plans)
    if best is None:
        best = measured(1)
    if best.peak > budget:
        raise ValueError(
            f"A budget of {amount(budget)} is too small to train this model. The "
            f"smallest that works is {best.peak} bytes ({amount(best.peak)}), for "
            f"batch_size=1: weights {amount(best.weights)}, optimizer "
            f"{amount(best.optimizer)}, activations {amount(best.activations)}. Train "
            "on smaller patches, use a smaller network, or raise the budget. "
            f"Received: budget={budget}."
        )
    if verbose:
        print(f"Plan: {best}", flush=True)
    return best


def _next_size(plans, budget):
    """The largest batch that should fit, by a line through the nearest measurements."""
    fitting, above = _largest(plans), _smallest_above(plans)
    if fitting is None:
        return 1
    others = [plan for plan in plans.values() if plan is not fitting]
    other = above or max(others, key=lambda plan: plan.batch_size, default=None)
    if other is None:  # Too steep, since a part does not depend on the batch.
        slope = fitting.activations / fitting.batch_size
        more = max(int((budget - fitting.peak) / slope), 1)
    else:
        slope = (other.peak - fitting.peak) / (other.batch_size - fitting.batch_size)
        more = int((budget - fitting.peak) / max(slope, 1))
    # Where gradients or the optimizer need the most, small batches need equal memory.
    size = min(fitting.batch_size + more, GROWTH * fitting.batch_size, LARGEST)
    return size if above is None else min(size, above.batch_size - 1)


def _largest(plans):
    """The plan of the largest batch within the budget, or `None`."""
    fitting = [plan for plan in plans.values() if plan.peak <= plan.budget]
    return max(fitting, key=lambda plan: plan.batch_size, default=None)


def _smallest_above(plans):
    """The plan of the smallest batch above the budget, or `None`."""
    above = [plan for plan in plans.values() if plan.peak > plan.budget]
    return min(above, key=lambda plan: plan.batch_size, default=None)
