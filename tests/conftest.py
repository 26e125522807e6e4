"""What every test starts from. Environment first: backends read it on import."""

import importlib.util
import os

os.environ.setdefault("OMP_NUM_THREADS", "1")  # Two make small PyTorch steps slow.
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import keras_patchdpm  # noqa: F401  (before Keras, for which it picks the backend)

# isort: split
import hypothesis
import keras
import numpy as np
import pytest
from no_autotune import no_autotune  # noqa: F401
from quick_compilation import quick_compilation  # noqa: F401

# Compared with libraries that need PyTorch, beside any backend.
NEED_TORCH = [
    "networks/test_guided_diffusion.py",
    "networks/test_unet2d_parity.py",
    "presets/test_diffusers.py",
]
collect_ignore = [] if importlib.util.find_spec("torch") else NEED_TORCH

hypothesis.settings.register_profile(
    "tests", database=None, deadline=None, derandomize=True, max_examples=25
)
hypothesis.settings.load_profile("tests")


@pytest.fixture
def rng():
    """A NumPy generator that starts anew in each test."""
    return np.random.default_rng(0)


@pytest.fixture(autouse=True)
def fresh_keras():
    """Seeds Keras before a test; afterwards drops names, policies and graphs."""
    keras.utils.set_random_seed(0)
    yield
    keras.config.set_floatx("float32")
    keras.utils.clear_session(free_memory=False)  # The dtype policy goes with it.
