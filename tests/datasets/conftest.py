"""keras-cv needs TensorFlow: without it, the tests of it are left out."""

import importlib.util

collect_ignore = []
if importlib.util.find_spec("keras_cv") is None:
    collect_ignore.append("test_keras_cv.py")
