"""Converts a checkpoint of PyTorch into a .npz file of names and arrays.

    python checkpoint_to_npz.py model.pt weights.npz --entry ema

A checkpoint is a pickle, and reading a pickle can run any code that is in it. This
script reads tensors alone, with `weights_only=True`, and refuses a file with other
objects. Load such a file with the code of its authors, if you trust them, and pass the
weights on:

    import checkpoint_to_npz as convert
    convert.write(pathlib.Path("weights.npz"), convert.arrays_of(network.state_dict()))

The script needs NumPy and PyTorch.
"""

import argparse
import os
import pathlib
import sys

import numpy as np
import torch


def main(arguments=None):
    """Runs the command; returns its exit status."""
    parser = argparse.ArgumentParser(description="Checkpoint of PyTorch to .npz.")
    parser.add_argument("checkpoint", type=pathlib.Path, help="file to read")
    parser.add_argument("out", type=pathlib.Path, help="file to write: .npz")
    parser.add_argument(
        "--entry", help="entry with the weights, such as ema, model or state_dict"
    )
    options = parser.parse_args(arguments)
    try:
        if options.out.suffix != ".npz":
            raise ValueError(f"The file to write must end in .npz, not {options.out}.")
        state = read(options.checkpoint)
        arrays = arrays_of(state, options.entry)
        write(options.out, arrays)
    except (OSError, ValueError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    for name, array in arrays.items():
        print(f"{name}: {array.dtype} {array.shape}")
    print(f"{len(arrays)} arrays are in {options.out}")
    return 0


def read(path):
    """The content of a checkpoint of tensors. No code in it is run."""
    if not path.is_file():
        raise ValueError(f"There is no file {path}.")
    try:
        return torch.load(str(path), map_location="cpu", weights_only=True)
    except Exception as error:  # Damaged bytes can raise anything.
        reason = str(error).strip().split("\n")[0]
        raise ValueError(
            f"{path} could not be read without running code in it ({reason}). Load it "
            "with the code of its authors, and pass the weights to `write`."
        ) from error


def arrays_of(state, entry=None):
    """The arrays by name, a dict: floats as float32, other numbers as they are."""
    if entry is not None:
        names = sorted(map(str, state)) if isinstance(state, dict) else []
        if entry not in names:
            raise ValueError(f"There is no entry {entry!r}. There are: {names}.")
        state = state[entry]
    if not isinstance(state, dict):
        raise ValueError(f"The weights must be a dict, not a {type(state).__name__}.")
    tensors = {
        name: one.detach().cpu()
        for name, one in state.items()
        if isinstance(one, torch.Tensor)
    }
    if not tensors:
        names = sorted(map(str, state))
        raise ValueError(f"There are no tensors. Choose an --entry of these: {names}.")
    for name in state:
        if name not in tensors:
            print(f"left out, no tensor: {name}")
    return {
        name: (one.float() if one.is_floating_point() else one).numpy()
        for name, one in tensors.items()
    }


def write(path, arrays):
    """Writes a .npz file, completely or not at all."""
    temporary = path.with_name(f".{os.getpid()}-{path.name}.part")
    try:
        with open(str(temporary), "wb") as file:
            np.savez(file, **arrays)
            file.flush()
            os.fsync(file.fileno())
        os.replace(str(temporary), str(path))
    finally:
        if temporary.exists():
            temporary.unlink()


if __name__ == "__main__":
    sys.exit(main())
