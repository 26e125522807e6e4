"""Training compiles many small programs."""

from quick_compilation import quick_compilation  # noqa: F401
