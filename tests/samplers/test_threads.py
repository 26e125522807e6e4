"""Threads share models and samplers; forked processes are refused or work."""

import threading
import types

import keras
import numpy as np
import pytest
from fresh_python import ROOT, run_python
from tiny_models import tiny_images, tiny_model, train, values

from keras_patchdpm import PatchSampler, runtime
from keras_patchdpm.runtime import backend as running

BACKEND = keras.backend.backend()


def in_threads(calls):
    """What the functions return, each called in a thread of its own at once."""
    start, results = threading.Barrier(len(calls)), {}

    def work(number, call):
        start.wait()
        results[number] = call()

    threads = [threading.Thread(target=work, args=item) for item in enumerate(calls)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return [results.get(number) for number in range(len(calls))]


@pytest.mark.filterwarnings("error:PyTorch could not trace the network")
@pytest.mark.parametrize("samplers", [1, 3])
def test_threads_make_the_images_of_one_thread(samplers):
    """With one sampler for all, and with one for each; nothing is compiled before."""
    model = tiny_model()
    each = [PatchSampler(model, "ddim", 5) for _ in range(samplers)]

    def call(number):
        sampler = each[number % samplers]
        return lambda: [sampler(2, seed) for seed in (number, 0, 1, 2)]

    found = in_threads([call(number) for number in range(3)])
    for number in range(3):
        for image, seed in zip(found[number], (number, 0, 1, 2), strict=True):
            np.testing.assert_array_equal(image, each[0](2, seed))


class SampleInTraining(keras.callbacks.Callback):
    """Samples after each batch, and keeps the weights that it sampled with."""

    def __init__(self, model):
        super().__init__()
        self.sampler = PatchSampler(model, "ddim", 2)
        self.kept = []

    def on_train_batch_end(self, batch, logs=None):
        images = self.sampler(1, dtype="float32")
        self.kept.append((images, values(self.model.network.weights)))


def test_sampling_after_a_batch_of_fit_sees_its_weights_and_changes_nothing():
    sampled, alone = tiny_model(), tiny_model()
    callback = SampleInTraining(sampled)
    for model, callbacks in ((sampled, [callback]), (alone, [])):
        optimizer = keras.optimizers.SGD(0.1)
        train(model, tiny_images(), optimizer, epochs=1, callbacks=callbacks)
    for one, other in zip(sampled.get_weights(), alone.get_weights(), strict=True):
        np.testing.assert_array_equal(one, other)
    assert len(callback.kept) == 2
    for images, weights in callback.kept:
        alone.network.set_weights(weights)
        expected = PatchSampler(alone, "ddim", 2)(1, dtype="float32")
        np.testing.assert_allclose(images, expected, atol=1e-6)
    assert np.abs(callback.kept[0][0] - callback.kept[1][0]).max() > 1e-4


if BACKEND == "jax":

    def test_a_network_whose_weights_fit_holds_says_so():
        model, asked = tiny_model(), []
        network = model.network
        inputs = {
            name: np.zeros((1, *x.shape[1:]), x.dtype)
            for name, x in network.input.items()
        }

        def call(batch, logs):
            with pytest.raises(RuntimeError, match="not available while `fit`"):
                runtime.network_call(network)(inputs)
            asked.append(batch)

        callback = keras.callbacks.LambdaCallback(on_train_batch_end=call)
        train(model, tiny_images(), keras.optimizers.SGD(0.1), callbacks=[callback])
        assert asked == [0, 1]


FORK = f"""
    import os, signal, sys
    sys.path.insert(0, {str(ROOT / "tests")!r})
    import keras_patchdpm as kp, keras, numpy as np
    from tiny_models import tiny_model
    model = tiny_model()
    sampler = kp.PatchSampler(model, "ddim", 2)
    expected = sampler(1, dtype="float32")
    child = os.fork()
    if child == 0:
        signal.alarm(60)  # Ends a child that hangs.
        try:
            images = sampler(1, dtype="float32")
            print("the same" if np.allclose(images, expected, atol=1e-4) else "other")
        except RuntimeError as error:
            print("refused:", error)
        sys.stdout.flush()
        os._exit(0)
    _, status = os.waitpid(child, 0)
    print("child", status)
"""


def test_a_forked_child_is_refused_or_samples(tmp_path):
    done = run_python(FORK, tmp_path, OMP_NUM_THREADS="2")
    assert done.returncode == 0, done.stderr
    said = done.stdout.strip().splitlines()[-2:]
    assert said[1] == "child 0"
    if BACKEND == "torch":
        assert said[0] == "the same"
    else:
        assert said[0].startswith("refused: This process was forked from one that has")
        assert '`multiprocessing.get_context("spawn")`' in said[0]


def test_the_process_that_uses_the_backend_first_may_go_on_using_it(monkeypatch):
    monkeypatch.setattr(running, "_first", None)
    monkeypatch.setattr(running, "backend_module", lambda: backend)
    backend = types.SimpleNamespace(after_fork=running.refuse_fork)
    runtime.check_process()
    runtime.check_process()
    monkeypatch.setattr(running.os, "getpid", lambda: 1)
    for _ in range(2):
        match = f"forked.*has used {BACKEND}.*process 1, forked from"
        with pytest.raises(RuntimeError, match=match):
            runtime.check_process()
        with pytest.raises(RuntimeError, match="forked"):
            runtime.network_call(None)
