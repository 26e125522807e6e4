"""A torch `DataLoader` on every backend, each batch of it checked when it is read."""

import torch.utils.data


def checked(loader, check):
    """A `DataLoader` of the batches of `loader`, as tuples.

    Args:
        loader: `torch.utils.data.DataLoader`, of tensors, or of tuples or lists of
            images, labels and weights.
        check: `BatchCheck`.

    Returns:
        `torch.utils.data.DataLoader`.
    """
    try:
        len(loader)
    except TypeError:  # Of a data set that can only be iterated over.
        stream = _Stream(loader, check)
    else:
        stream = _SizedStream(loader, check)
    return torch.utils.data.DataLoader(stream, batch_size=None)


class _Stream(torch.utils.data.IterableDataset):
    """Batches, which the loader inside reads with its own workers."""

    def __init__(self, loader, check):
        self.loader, self.check = loader, check

    def __iter__(self):
        return self.check.each(iter(self.loader))


class _SizedStream(_Stream):
    def __len__(self):
        return len(self.loader)
