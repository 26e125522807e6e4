"""Checkpoints that are damaged, in the way, shared, or cannot be written."""

import errno
import os
import threading

import numpy as np
import pytest
from samplers.fakes import numpy_model

from keras_patchdpm import CascadePatching, PatchSampler
from keras_patchdpm.patching import Stage
from keras_patchdpm.samplers import checkpoint

pytestmark = pytest.mark.once

DAMAGED = "run.npz is damaged, or not a checkpoint of a sampling .*Delete it to start"


def a_sampler():
    return PatchSampler(numpy_model(patching=CascadePatching(2)), "dpmpp_2m", steps=4)


@pytest.fixture
def file(tmp_path):
    return tmp_path / "run.npz"


@pytest.fixture
def half(file):
    """The bytes of a checkpoint with one image done and one in the making."""
    sampler = a_sampler()
    steps = []

    def stop(step, clean):
        steps.append(step)
        if len(steps) == 14:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        sampler(3, 5, batch_size=1, checkpoint=file, callback=stop)
    return file.read_bytes()


def resume(file):
    return a_sampler()(3, 5, batch_size=1, checkpoint=file)


def test_a_cut_or_changed_file_is_never_sampled_from(file, half, rng):
    expected = resume(None)
    damaged = [half[:size] for size in np.linspace(0, len(half) - 1, 50).astype(int)]
    for bit in rng.integers(0, 8 * len(half), 50):
        flipped = bytearray(half)
        flipped[bit // 8] ^= 1 << (bit % 8)
        damaged.append(bytes(flipped))
    damaged += [half + b"x", half[:-70] + half[-64:], b"\0" * len(half)]
    for content in damaged:
        file.write_bytes(content)
        with pytest.raises(ValueError, match=DAMAGED):
            resume(file)
        assert file.read_bytes() == content
    file.write_bytes(half)
    np.testing.assert_array_equal(resume(file), expected)


def test_arrays_that_are_missing_or_changed_are_noticed(file, half):
    with np.load(file) as archive:
        arrays = dict(archive)
    assert {"images", "stage_0", "noisy", "clean", "step", "run"} <= set(arrays)
    for name, array in arrays.items():
        others = {key: value for key, value in arrays.items() if key != name}
        changed = [others]
        if array.dtype.kind == "f":
            changed.append({**others, name: np.full_like(array, np.nan)})
        for content in changed:
            np.savez(file, **content)
            with pytest.raises(ValueError, match=DAMAGED):
                resume(file)


def test_what_is_no_file_is_refused_at_once(tmp_path):
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "folder").mkdir()
    for name in ("pipe", "folder"):
        with pytest.raises(ValueError, match=f"{name} is not a checkpoint"):
            resume(tmp_path / name)


def test_what_cannot_be_written_is_refused_before_the_first_step(tmp_path):
    sampler = a_sampler()
    for path, error, match in (
        (tmp_path / "nothing" / "a.npz", ValueError, "no folder .*nothing"),
        (tmp_path / ("x" * 300), OSError, "could not be written"),
        (3, TypeError, "`checkpoint` must be a path. Received: checkpoint=3"),
        ("", ValueError, "`checkpoint` must be a path"),
    ):
        with pytest.raises(error, match=match):
            sampler.stream(checkpoint=path)
    assert sampler.model.network.calls == []


def test_a_full_disk_is_named_and_leaves_the_file_as_it_was(file, half, monkeypatch):
    def full(target, **arrays):
        target.write(b"half")
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(checkpoint.np, "savez", full)
    with pytest.raises(OSError, match="run.npz could not be written .*No space left"):
        resume(file)
    assert file.read_bytes() == half
    assert os.listdir(file.parent) == ["run.npz"]


def test_several_threads_with_one_checkpoint_do_no_harm(file, monkeypatch):
    monkeypatch.setattr(checkpoint, "SECONDS", 0.0)
    expected, found, sampler = resume(None), [], a_sampler()

    def work():
        found.append(sampler(3, 5, batch_size=1, checkpoint=file))

    threads = [threading.Thread(target=work) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(found) == 3
    for images in (*found, resume(file)):
        np.testing.assert_array_equal(images, expected)
    assert os.listdir(file.parent) == ["run.npz"]


def test_a_stop_between_two_stages_is_resumed_from(file, monkeypatch):
    """The last step of a stage is whole, and its images are not finished."""
    expected, finish, calls = resume(None), Stage.finish, []

    def stop(self, sampled, previous):
        finished = finish(self, sampled, previous)
        calls.append(len(calls))
        if len(calls) == 2:
            raise KeyboardInterrupt
        return finished

    monkeypatch.setattr(Stage, "finish", stop)
    with pytest.raises(KeyboardInterrupt):
        resume(file)
    monkeypatch.undo()
    np.testing.assert_array_equal(resume(file), expected)
