"""Some tests need packages that need TensorFlow: without them, they are left out."""

import importlib.util

NEEDED = {"test_keras_cv.py": "keras_cv", "test_papers.py": "tensorflow_datasets"}
collect_ignore = [
    test for test, package in NEEDED.items() if not importlib.util.find_spec(package)
]
