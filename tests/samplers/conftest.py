"""The solvers are NumPy's: they are compared with `diffusers` once, on PyTorch."""

import keras

collect_ignore = []
if keras.backend.backend() != "torch":
    collect_ignore += ["test_against_diffusers.py", "test_budgets_of_denoisers.py"]
