"""Reports of measurements: the bytes, and how they were measured."""

import dataclasses

KIBIBYTE = 2**10
MEBIBYTE = 2**20


@dataclasses.dataclass(frozen=True)
class MemoryReport:
    """The peak memory of one computation.

    Attributes:
        bytes: Int. The peak above the memory in use before the computation.
        method: String. The function that measured it.
        device: String. The device of the computation, for instance `"CPU:0"`.
        library: String. The library whose kernels ran. The scratch memory depends on
            it.
        exact: Bool. Whether `bytes` is the exact sum of all buffers, and the same every
            time. If not, `notes` say why.
        backend: String. Name and version of the backend, and of Keras.
        notes: Tuple of strings, on how to read the result.

    Example:

    >>> report = kp.memory.peak(lambda x: ops.matmul(x, x), ops.ones((512, 512)))
    >>> print(report.bytes, report.method, report.exact)
    """

    bytes: int
    method: str
    device: str
    library: str
    exact: bool
    backend: str
    notes: tuple = ()

    def __str__(self):
        lines = [
            f"{amount(self.bytes)} at the peak",
            f"measured by {self.method} on {self.device}",
            f"kernels of {self.library}; {self.backend}",
            *self.notes,
        ]
        return "\n".join(lines)


@dataclasses.dataclass(frozen=True)
class ProfileReport:
    """The memory of one network call of a sampling, or of one training step.

    Attributes:
        weights: Int, bytes. The network's variables.
        activations: Int, bytes. Peak of the call above the weights; of a training step
            above weights and optimizer, gradients included.
        seconds: Float, median time of a call or step after compilation. `None` if not
            timed.
        divisions: `(rows, cols)` of the grid of patches. `None` if unknown.
        batch_size: Int. Images in the call or step.
        patches_per_call: Int. Patches of each image in the call or step.
        measured: `MemoryReport` of the activations, on how they were measured.
        optimizer: Int, bytes. The variables of the optimizer: moments, averaged
            weights, accumulated gradients. `None`: not a training step.

    Example:

    >>> report = kp.memory.profile(model, batch_size=4)
    >>> report.peak == report.weights + report.activations
    True
    """

    weights: int
    activations: int
    seconds: float | None
    divisions: tuple | None
    batch_size: int
    patches_per_call: int
    measured: MemoryReport
    optimizer: int | None = None

    @property
    def training(self):
        """Bool. Whether a training step was measured."""
        return self.optimizer is not None

    @property
    def peak(self):
        """Int, bytes. Weights, optimizer and activations together."""
        return self.weights + (self.optimizer or 0) + self.activations

    def __str__(self):
        grid = "x".join(map(str, self.divisions)) if self.divisions else "unknown grid"
        time = "not timed" if self.seconds is None else f"{self.seconds:.3f} s"
        work, optimizer = "network call", ""
        if self.training:
            work, optimizer = "training step", f"optimizer {amount(self.optimizer)}, "
        lines = [
            f"weights {amount(self.weights)}, {optimizer}activations "
            f"{amount(self.activations)}, peak {amount(self.peak)}, {time}",
            f"one {work}: images {self.batch_size}, patches of each "
            f"{self.patches_per_call} (of {grid})",
            *str(self.measured).splitlines()[1:],
        ]
        return "\n".join(lines)

    def to_dict(self):
        """The report as plain data, which `from_dict` accepts."""
        return dataclasses.asdict(self)

    @classmethod
    def from_dict(cls, data):
        """The report from the result of `to_dict`, also if it was saved as JSON."""
        measured = dict(data["measured"])
        measured["notes"] = tuple(measured["notes"])
        divisions = data["divisions"] and tuple(data["divisions"])
        report = MemoryReport(**measured)
        return cls(**{**data, "divisions": divisions, "measured": report})


def amount(count):
    """Bytes as text in MiB, below one in KiB, with one decimal: `"12.3 MiB"`."""
    if count < MEBIBYTE:
        return f"{count / KIBIBYTE:.1f} KiB"
    return f"{count / MEBIBYTE:.1f} MiB"


def mebibytes(count):
    """Bytes as text in MiB (2**20 bytes): one decimal, or two digits below 0.1."""
    value = count / MEBIBYTE
    return f"{value:.1f}" if value >= 0.1 or not value else f"{value:.2g}"
