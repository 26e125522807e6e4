"""Collects the images that cannot be read, and warns of them once."""

import collections

from keras_patchdpm import _checks

NAMED = 20  # The most files that a message names.


class Unreadable(Exception):
    """Raised if an image cannot be used.

    Args:
        reason: String, such as `"broken"`. Images with the same reason are counted
            together.
        detail: String. More about this image. Default `""`.
    """

    def __init__(self, reason, detail=""):
        super().__init__(f"{reason} ({detail})" if detail else reason)
        self.reason, self.detail = reason, detail


class Skipped:
    """The images of one source that cannot be read.

    Args:
        source: String. The source of the images, for messages.
        strict: Bool. Whether the first such image is an error.
    """

    def __init__(self, source, strict):
        self.source = source
        self.strict = strict
        self.errors = []  # Pairs of a name and an `Unreadable`.

    def add(self, name, error):
        """Counts an image.

        Args:
            name: String. Path of the image within the source.
            error: `Unreadable`.

        Raises:
            ValueError: If `strict` is `True`.
        """
        if self.strict:
            raise ValueError(
                f"{name!r} in {self.source} cannot be read: {error}. Repair or remove "
                "it, or pass `strict=False` to skip it. Received: strict=True."
            ) from error
        self.errors.append((name, error))

    def warn(self, read):
        """Warns once of all images that cannot be read, if there are any.

        Args:
            read: Int. Number of images that were read.
        """
        if self.errors:
            images = "1 image was" if read == 1 else f"{read} images were"
            _checks.warn(f"{images} read from {self.source}. {self.summary()}")

    def summary(self):
        """A text: counts by reason, then a line for each of the first `NAMED` files."""
        reasons = collections.Counter(error.reason for _, error in self.errors)
        counts = ", ".join(f"{count} {reason}" for reason, count in reasons.items())
        lines = [f"Not read: {len(self.errors)} ({counts})."]
        # `repr`: a name may hold line breaks, or bytes that are no text.
        lines += [f"  {name!r}: {error}" for name, error in self.errors[:NAMED]]
        if len(self.errors) > NAMED:
            lines.append(f"  and {len(self.errors) - NAMED} more")
        return "\n".join(lines)

    def listed(self):
        """The images and reasons as lists, for a file."""
        return [[name, error.reason, error.detail] for name, error in self.errors]

    def restore(self, listed):
        """Adds what `listed` has returned."""
        for name, *reason in listed:
            self.add(name, Unreadable(*reason))
