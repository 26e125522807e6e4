"""Tests compile many small programs: they need not be made fast."""

import keras
import pytest

if keras.backend.backend() == "jax":
    import jax

    def _set(quick):
        """Leaves out most of XLA's optimizations."""
        jax.config.update("jax_disable_most_optimizations", quick)

else:

    def _set(quick):
        """Nothing is compiled."""


@pytest.fixture(scope="module", autouse=True)
def quick_compilation():
    """Leaves out optimizations that here take longer than they save."""
    _set(True)
    yield
    _set(False)
