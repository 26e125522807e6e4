"""The progress of a batch of images, how it is saved, and what it ends as."""

import dataclasses
import zlib

import numpy as np
from keras import ops

from keras_patchdpm.samplers.loop import State


@dataclasses.dataclass
class Batch:
    """The progress of a batch.

    Attributes:
        finished: List of the images of the finished stages.
        state: `State` of the current stage, or `None` at its start.
    """

    finished: list = dataclasses.field(default_factory=list)
    state: State | None = None

    def arrays(self, uses_clean_before):
        """The batch as a dict of arrays or tensors.

        Args:
            uses_clean_before: Bool, that of the solver.
        """
        arrays = {f"stage_{number}": x for number, x in enumerate(self.finished)}
        if self.state is not None:
            arrays |= {"noisy": self.state.noisy, "step": np.array(self.state.step)}
            if uses_clean_before and self.state.clean is not None:
                arrays["clean"] = self.state.clean
        return arrays

    def on_host(self, uses_clean_before):
        """The result of `arrays`, as NumPy arrays."""
        arrays = self.arrays(uses_clean_before)
        return {name: ops.convert_to_numpy(value) for name, value in arrays.items()}

    @classmethod
    def of(cls, arrays):
        """The batch of a result of `on_host`. An empty dict: a new batch."""
        count = sum(name.startswith("stage_") for name in arrays)
        finished = [arrays[f"stage_{number}"] for number in range(count)]
        if "noisy" not in arrays:
            return cls(finished)
        state = State(arrays["noisy"], int(arrays["step"]), arrays.get("clean"))
        return cls(finished, state)


class Saving:
    """Saves finished images, and the current batch after whole steps.

    A step overwrites the images. If Ctrl-C or an error stops a step, the images are
    saved only if the step has not overwritten any of them yet. Checksums show it.

    Args:
        checkpoint: `Checkpoint`, or `None`: nothing is saved.
        finished: List of the images that an earlier run has finished.
        uses_clean_before: Bool, that of the solver.
    """

    def __init__(self, checkpoint, finished, uses_clean_before):
        self.checkpoint = checkpoint
        self.finished = finished
        self.uses_clean_before = uses_clean_before
        self.marked = None

    def mark(self, batch):
        """Records checksums of the batch; called at the start and end of each step."""
        self.marked = self._marks(batch)

    def stopped(self, batch, check):
        """Called when a step is stopped: saves the result of the step before it.

        Nothing is saved if the stopped step has overwritten images.

        Args:
            batch: `Batch`.
            check: Function that raises `ValueError` if the images are not finite. Then
                nothing is saved.
        """
        if self._marks(batch) != self.marked:
            return
        try:
            check()
        except ValueError:
            return
        self.save(batch, now=True)

    def end_batch(self, images):
        """Called when the images of a batch are finished: saves them."""
        if self.checkpoint is not None:
            self.finished.extend(images)
            self.save(Batch(), now=True)

    def save(self, batch, check=lambda: None, now=False):
        """Saves the batch, unless the last time was less than half a minute ago.

        Args:
            batch: `Batch`.
            check: Function that is called before the batch is saved, and raises an
                error if images are not finite. Default: no check.
            now: Bool. Whether the batch is saved in any case. Default: no.
        """

        def arrays():
            check()
            images = np.array(self.finished)
            return {"images": images, **batch.on_host(self.uses_clean_before)}

        if self.checkpoint is not None:
            self.checkpoint.save(arrays, now)

    def _marks(self, batch):
        """A dict that is equal as long as no step has changed the batch.

        It has a checksum of each array, and each tensor itself: tensors are replaced,
        not overwritten.
        """
        if self.checkpoint is None:
            return {}
        return {
            name: _Mark(value)
            for name, value in batch.arrays(self.uses_clean_before).items()
            if not name.startswith("stage_")
        } | {"stages": len(batch.finished)}


class _Mark:
    """Equal to the mark of the same tensor, or of an array with the same values."""

    def __init__(self, value):
        on_host = isinstance(value, np.ndarray)
        self.tensor = None if on_host else value
        self.sum = zlib.crc32(np.ascontiguousarray(value)) if on_host else None

    def __eq__(self, other):
        return self.tensor is other.tensor and self.sum == other.sum


def to_dtype(images, dtype):
    """Clips float images to [-1, 1], or converts to uint8. Overwrites the images."""
    np.clip(images, -1, 1, out=images)
    if dtype == "float32":
        return images
    images += 1
    images *= 127.5
    return np.rint(images, out=images).astype("uint8")


def on_host(images):
    """The images as a NumPy array that may be overwritten."""
    if isinstance(images, np.ndarray):
        return images
    return np.array(ops.convert_to_numpy(images))
