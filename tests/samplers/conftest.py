"""The rules are NumPy's: beside those of `diffusers` they are laid once, on PyTorch."""

import keras

collect_ignore = []
if keras.backend.backend() != "torch":
    collect_ignore.append("test_against_diffusers.py")
