"""Arrays in files are read by one thread at a time."""

import ast
import threading
import time

import numpy as np
import pytest

import keras_patchdpm as kp
from keras_patchdpm import _npz

pytestmark = pytest.mark.once


@pytest.fixture
def most_at_once(monkeypatch):
    """How many threads were in `ast.literal_eval` at once, which NumPy calls."""
    read, busy, counts = ast.literal_eval, [], []

    def literal_eval(text):
        busy.append(text)
        counts.append(len(busy))
        time.sleep(0.002)
        busy.pop()
        return read(text)

    monkeypatch.setattr(ast, "literal_eval", literal_eval)
    return lambda: max(counts)


def in_threads(work):
    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


def test_files_of_arrays(tmp_path, most_at_once):
    path = tmp_path / "arrays.npz"
    np.savez(path, a=np.arange(3), b=np.ones(2))

    def read():
        with _npz.opened(path) as arrays:
            assert list(arrays["a"]) == [0, 1, 2] and list(arrays["b"]) == [1, 1]

    in_threads(read)
    assert most_at_once() == 1


def test_presets(tmp_path, most_at_once):
    patching = kp.GridPatching(2)
    network = kp.networks.unet(8, patching, width=8, multipliers=(1,))
    kp.PatchDPM(network, kp.DDPMSchedule(), patching).save_to_preset(tmp_path)
    in_threads(lambda: kp.PatchDPM.from_preset(tmp_path))
    assert most_at_once() == 1
