"""Training compiles many small programs: JAX need not make them fast."""

import keras
import pytest


@pytest.fixture(scope="module", autouse=keras.backend.backend() == "jax")
def quick_compilation():
    """Leaves out most of XLA's optimizations, which here take longer than they save."""
    import jax

    jax.config.update("jax_disable_most_optimizations", True)
    yield
    jax.config.update("jax_disable_most_optimizations", False)
