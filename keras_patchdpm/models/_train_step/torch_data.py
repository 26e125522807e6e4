"""Validates each batch of a torch `DataLoader` when it is read, on every backend."""

import torch.utils.data


def checked(loader, check):
    """A `DataLoader` of the validated batches of `loader`, as tuples.

    Args:
        loader: `torch.utils.data.DataLoader` of tensors, or of tuples or lists of
            images, labels and weights.
        check: `BatchCheck`.

    Returns:
        `torch.utils.data.DataLoader`.
    """
    try:
        len(loader)
    except TypeError:  # The data set has no length.
        stream = _Stream(loader, check)
    else:
        stream = _SizedStream(loader, check)
    return torch.utils.data.DataLoader(stream, batch_size=None)


class _Stream(torch.utils.data.IterableDataset):
    """Validated batches; `loader` reads them with its own workers."""

    def __init__(self, loader, check):
        self.loader, self.check = loader, check

    def __iter__(self):
        return self.check.each(iter(self.loader))


class _SizedStream(_Stream):
    def __len__(self):
        return len(self.loader)
