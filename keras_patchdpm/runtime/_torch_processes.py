"""The processes of `torch.distributed` that train together, one for each device.

The module of PyTorch's network calls is not imported for it: that takes a while.
"""

import keras
import torch
import torch.distributed as dist


def processes():
    """See `runtime.processes`."""
    if not (dist.is_available() and dist.is_initialized()):
        return 1, 0
    return dist.get_world_size(), dist.get_rank()


def same_in_all(number):
    """See `runtime.same_in_all`."""
    count, _ = processes()
    own = keras.ops.convert_to_tensor(number, "int32")
    found = [torch.empty_like(own) for _ in range(count)]
    dist.all_gather(found, own)
    return len({int(each) for each in found}) == 1


def average(tensor):
    """Replaces a tensor by its mean over all processes, in place."""
    dist.all_reduce(tensor)
    tensor.div_(dist.get_world_size())


def from_first(tensors):
    """Replaces tensors by those of the first process, in place."""
    for tensor in tensors:
        dist.broadcast(tensor, src=0)
