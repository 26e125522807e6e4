"""The Python blocks of README.md and docs/*.md."""

import ast
import re

import pytest
from fresh_python import ROOT, run_python

PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]


def blocks(path):
    """The fenced blocks of Python in a page."""
    return re.findall(r"^```python\n(.*?)^```", path.read_text(), re.M | re.S)


def imports(source):
    """The modules that a block imports at its top level, in order."""
    found = []
    for node in ast.parse(source).body:
        if isinstance(node, ast.Import):
            found += [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            found.append(node.module)
    return found


@pytest.mark.parametrize("path", PAGES, ids=lambda path: path.name)
def test_the_package_is_imported_before_keras(path):
    """It picks the backend that is installed; Keras alone asks for TensorFlow."""
    for source in blocks(path):
        names = [name.split(".")[0] for name in imports(source)]
        if "keras" in names:
            assert "keras_patchdpm" in names[: names.index("keras")], source


def test_the_readme_starts_without_tensorflow(tmp_path):
    """Nothing is set, as after an installation with JAX or PyTorch alone."""
    first = blocks(ROOT / "README.md")[0]
    lines = [
        line for line in first.splitlines() if line.startswith(("import ", "from "))
    ]
    hidden = "import sys\nsys.modules['tensorflow'] = None\n"
    script = hidden + "\n".join([*lines, "print(keras.backend.backend())"])
    environment = {"KERAS_BACKEND": None, "KERAS_HOME": str(tmp_path)}
    result = run_python(script, tmp_path, **environment)
    assert result.stdout.strip() in ("jax", "torch"), result.stderr
