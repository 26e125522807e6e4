"""Which backend the package takes, and what it says when there is none."""

import keras
import pytest
from fresh_python import run_python

from keras_patchdpm import _backend
from keras_patchdpm._backend import SUPPORTED, choose

THIS = keras.config.backend()


@pytest.mark.once
@pytest.mark.parametrize(
    ("environment", "saved", "installed", "chosen"),
    [
        (None, None, ["tensorflow", "jax", "torch"], "tensorflow"),
        (None, None, ["jax", "torch"], "jax"),
        (None, None, ["torch"], "torch"),
        ("", "tensorflow", ["torch"], "torch"),  # Keras writes "tensorflow" itself.
        (None, "torch", ["tensorflow", "torch"], "torch"),
        ("jax", "torch", ["tensorflow", "jax", "torch"], "jax"),
    ],
)
def test_choice(environment, saved, installed, chosen):
    assert choose(environment, saved, installed) == chosen


@pytest.mark.once
@pytest.mark.parametrize(
    ("environment", "saved", "installed", "message"),
    [
        (None, None, [], r"pip install keras-patchdpm\[tensorflow\]"),
        ("numpy", None, ["jax"], "tensorflow, jax, torch.*'numpy'.*KERAS_BACKEND"),
        ("nonsense", "jax", ["jax"], "tensorflow, jax, torch.*'nonsense'"),
        (None, "openvino", ["jax"], "'openvino'.*configuration file"),
        ("torch", None, ["jax"], r"keras-patchdpm\[torch\].*\(installed: jax\)"),
        ("torch", None, [], r"\(installed: none\)"),
    ],
)
def test_refusal(environment, saved, installed, message):
    with pytest.raises(ImportError, match=message):
        choose(environment, saved, installed)


def _import(tmp_path, first="", hidden=(), **environment):
    """Imports the package in a Python in which `hidden` are not installed."""
    script = f"""
        import sys
        for name in {tuple(hidden)!r}:
            sys.modules[name] = None  # Neither found nor imported.
        {first}
        import keras_patchdpm
        import keras
        print(keras.config.backend(), tuple(keras.ops.ones(1).shape))
    """
    environment = {"KERAS_BACKEND": None, "KERAS_HOME": str(tmp_path), **environment}
    return run_python(script, cwd=tmp_path, **environment)


def test_the_only_backend_is_taken(tmp_path):
    # What Keras writes by itself where there is no configuration.
    (tmp_path / "keras.json").write_text('{"backend": "tensorflow"}')
    result = _import(tmp_path, hidden=[name for name in SUPPORTED if name != THIS])
    assert result.stdout.strip().endswith(f"{THIS} (1,)"), result.stderr


@pytest.mark.once
@pytest.mark.parametrize(
    ("text", "saved"),
    [('{"backend": "jax"}', "jax"), ("{}", None), ("{", None), (None, None)],
)
def test_the_configuration_file_is_read(text, saved, tmp_path, monkeypatch):
    monkeypatch.setenv("KERAS_HOME", str(tmp_path))
    if text:
        (tmp_path / "keras.json").write_text(text)
    assert _backend._saved() == saved


@pytest.mark.once
@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"hidden": SUPPORTED}, "pip install keras-patchdpm[tensorflow]"),
        ({"KERAS_BACKEND": "numpy"}, "backends tensorflow, jax, torch"),
        ({"first": "import keras", "KERAS_BACKEND": "numpy"}, "already imported"),
    ],
)
def test_import_says_what_is_wrong(options, message, tmp_path):
    result = _import(tmp_path, **options)
    assert result.returncode == 1
    error = result.stderr.strip().splitlines()[-1]
    assert error.startswith("ImportError: ") and message in error
