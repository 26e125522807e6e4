"""Where the making of some images stands, and how that is saved."""

import dataclasses
import zlib

import numpy as np
from keras import ops

from keras_patchdpm.samplers.loop import State


@dataclasses.dataclass
class Batch:
    """Where the making of a batch stands.

    Attributes:
        finished: List of the images of the finished stages.
        state: `State` of the stage at hand, or `None` at its beginning.
    """

    finished: list = dataclasses.field(default_factory=list)
    state: State | None = None

    def arrays(self, uses_previous):
        """All of it as a dict of arrays or tensors.

        Args:
            uses_previous: Bool, of the solver.
        """
        arrays = {f"stage_{number}": x for number, x in enumerate(self.finished)}
        if self.state is not None:
            arrays |= {"noisy": self.state.noisy, "step": np.array(self.state.step)}
            if uses_previous and self.state.clean is not None:
                arrays["clean"] = self.state.clean
        return arrays

    def on_host(self, uses_previous):
        """The same in the host's memory."""
        arrays = self.arrays(uses_previous)
        return {name: ops.convert_to_numpy(value) for name, value in arrays.items()}

    @classmethod
    def of(cls, arrays):
        """The batch that `on_host` described; the beginning if it is empty."""
        count = sum(name.startswith("stage_") for name in arrays)
        finished = [arrays[f"stage_{number}"] for number in range(count)]
        if "noisy" not in arrays:
            return cls(finished)
        state = State(arrays["noisy"], int(arrays["step"]), arrays.get("clean"))
        return cls(finished, state)


class Saving:
    """Saves finished images, and the batch at hand where a step is whole.

    A step overwrites the images. If it is stopped halfway, by Ctrl-C or an error, they
    are saved only if nothing of them has been overwritten yet: a checksum tells.

    Args:
        checkpoint: `Checkpoint`, or `None`: nothing is saved then.
        finished: List of images that an earlier run has finished.
        uses_previous: Bool, of the solver.
    """

    def __init__(self, checkpoint, finished, uses_previous):
        self.checkpoint = checkpoint
        self.finished = finished
        self.uses_previous = uses_previous
        self.marked = None

    def mark(self, batch):
        """The batch is where a step begins or ends."""
        self.marked = self._marks(batch)

    def stopped(self, batch, check):
        """A step has been stopped. Saves what the step before it left, if it can.

        Args:
            batch: `Batch`.
            check: Raises ValueError if the images are not finite: they are not saved.
        """
        if self._marks(batch) != self.marked:
            return
        try:
            check()
        except ValueError:
            return
        self.save(batch, now=True)

    def end_batch(self, images):
        """The images of a batch are finished."""
        if self.checkpoint is not None:
            self.finished.extend(images)
            self.save(Batch(), now=True)

    def save(self, batch, check=lambda: None, now=False):
        """Saves the batch, unless the last saving was a moment ago.

        Args:
            batch: `Batch`.
            check: Called before a saving. It refuses images that are not finite.
            now: Bool. Whether it is saved in any case.
        """

        def arrays():
            check()
            images = np.array(self.finished)
            return {"images": images, **batch.on_host(self.uses_previous)}

        if self.checkpoint is not None:
            self.checkpoint.save(arrays, now)

    def _marks(self, batch):
        """What changes when a step changes any of the batch's arrays.

        That is a checksum of arrays, and of tensors, which nothing overwrites, which
        they are.
        """
        if self.checkpoint is None:
            return {}
        return {
            name: _Mark(value)
            for name, value in batch.arrays(self.uses_previous).items()
            if not name.startswith("stage_")
        } | {"stages": len(batch.finished)}


class _Mark:
    """Is equal to that of the same tensor, or of an array of the same values."""

    def __init__(self, value):
        on_host = isinstance(value, np.ndarray)
        self.tensor = None if on_host else value
        self.sum = zlib.crc32(np.ascontiguousarray(value)) if on_host else None

    def __eq__(self, other):
        return self.tensor is other.tensor and self.sum == other.sum
