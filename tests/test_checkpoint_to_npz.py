"""The script of `docs/other_weights.md` that converts a checkpoint of PyTorch."""

import importlib.util

import numpy as np
import pytest
from fresh_python import ROOT

pytestmark = pytest.mark.once


class RunsCode:
    """An object whose pickle creates a file when it is read."""

    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return open, (str(self.path), "w")


@pytest.fixture
def convert(tmp_path, monkeypatch):
    """The script's `main`, with the text of a command line."""
    place = ROOT / "docs/snippets/checkpoint_to_npz.py"
    spec = importlib.util.spec_from_file_location("checkpoint_to_npz", place)
    script = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(script)
    monkeypatch.chdir(tmp_path)
    return lambda text: script.main(text.split())


@pytest.fixture
def saved(tmp_path):
    """Writes `model.pt`."""
    import torch

    weights = {
        "conv.weight": torch.arange(6.0).reshape(1, 2, 3),
        "conv.bias": torch.full((2,), 0.5, dtype=torch.bfloat16),
        "count": torch.tensor(3),
    }

    def save(**entries):
        torch.save({"ema": weights, "step": 7, **entries}, tmp_path / "model.pt")

    save()
    return save


def test_an_entry_becomes_arrays_by_name(convert, saved, tmp_path, capsys):
    assert convert("model.pt weights.npz --entry ema") == 0
    assert capsys.readouterr().out.splitlines() == [
        "conv.weight: float32 (1, 2, 3)",
        "conv.bias: float32 (2,)",
        "count: int64 ()",
        "3 arrays are in weights.npz",
    ]
    with np.load("weights.npz", allow_pickle=False) as arrays:
        assert [*arrays] == ["conv.weight", "conv.bias", "count"]
        np.testing.assert_array_equal(
            arrays["conv.weight"], np.arange(6).reshape(1, 2, 3)
        )
        np.testing.assert_array_equal(arrays["conv.bias"], [0.5, 0.5])
    assert {path.name for path in tmp_path.iterdir()} == {"model.pt", "weights.npz"}


def test_code_in_a_file_is_not_run(convert, saved, tmp_path, capsys):
    saved(other=RunsCode(tmp_path / "code has run"))
    assert convert("model.pt weights.npz --entry ema") == 2
    assert "Load it with the code of its authors" in capsys.readouterr().err
    assert [path.name for path in tmp_path.iterdir()] == ["model.pt"]


def test_a_failed_write_keeps_the_old_file(convert, saved, tmp_path, monkeypatch):
    def fail(file, **arrays):
        file.write(b"a part")
        raise OSError("the disk is full")

    (tmp_path / "weights.npz").write_text("old")
    monkeypatch.setattr(np, "savez", fail)
    assert convert("model.pt weights.npz --entry ema") == 2
    assert (tmp_path / "weights.npz").read_text() == "old"
    assert {path.name for path in tmp_path.iterdir()} == {"model.pt", "weights.npz"}


@pytest.mark.parametrize(
    ("command", "message"),
    [
        ("nothing.pt a.npz", "There is no file nothing.pt"),
        ("model.pt a.npy", "must end in .npz, not a.npy"),
        ("model.pt a.npz", "Choose an --entry of these: ['ema', 'step']"),
        ("model.pt a.npz --entry model", "There is no entry 'model'"),
        ("model.pt a.npz --entry step", "must be a dict, not a int"),
        ("damaged.pt a.npz", "damaged.pt could not be read without running code"),
    ],
)
def test_errors_are_one_line(command, message, convert, saved, tmp_path, capsys):
    (tmp_path / "damaged.pt").write_bytes(b"PK\3\4 and no more")
    assert convert(command) == 2
    error = capsys.readouterr().err
    assert message in error and len(error.splitlines()) == 1
    assert not (tmp_path / "a.npz").exists()
