"""What is measured is compiled as it is for users."""

import pytest


@pytest.fixture(scope="module")
def quick_compilation():
    """Takes the place of the fixture of all other tests."""
