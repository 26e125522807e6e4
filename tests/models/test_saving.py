"""Files: what they hold, and that every backend reads them."""

import importlib.util
import inspect

import keras
import numpy as np
import pytest
from fresh_python import run_python
from tiny_models import assert_same, tiny_images, tiny_model, train, values

from keras_patchdpm import DDPMSchedule, GridPatching, PatchDPM, WholeImage, networks

THIS = keras.config.backend()
# The three runs of the tests are a circle: each backend writes, and each one reads.
NEXT = {"tensorflow": "torch", "torch": "jax", "jax": "tensorflow"}[THIS]
READER = NEXT if importlib.util.find_spec(NEXT) else THIS


@pytest.mark.parametrize("patching", [GridPatching((2, 1), patches_per_image=2), None])
def test_a_file_holds_the_whole_model(patching, tmp_path):
    patching = patching or WholeImage()
    schedule = DDPMSchedule(
        "linear", 50, prediction="clean", loss="huber", min_snr_gamma=3.0
    )
    model = tiny_model(patching, schedule, seed=11)
    model.compile(optimizer="sgd", loss="mae", metrics=["mse"])
    model.save(tmp_path / "model.keras")
    loaded = keras.saving.load_model(tmp_path / "model.keras")
    assert type(loaded) is PatchDPM and type(loaded.patching) is type(patching)
    assert loaded.patching.get_config() == patching.get_config()
    assert loaded.schedule.get_config() == schedule.get_config()
    assert (loaded.seed, loaded.test_seed) == (11, 1234)
    assert loaded.image_shape == model.image_shape
    assert_same(values(loaded.variables), values(model.variables))
    found, expected = (
        one.evaluate(tiny_images(4), verbose=0) for one in (loaded, model)
    )
    assert found == expected and len(found) == 2


def test_a_file_leaves_the_compiler_to_the_backend(tmp_path):
    model = tiny_model()
    model.compile(optimizer="sgd")
    assert model.get_compile_config()["jit_compile"] == "auto"
    model.compile(optimizer="sgd", jit_compile=False)
    assert model.get_compile_config()["jit_compile"] is False
    assert tiny_model().get_compile_config() == {}


def test_weights_without_seeds_are_read(tmp_path):
    """Such as those of a model whose layers draw nothing."""
    model, other = tiny_model(dropout=0.5, seed=3), tiny_model(seed=4)
    other.save_weights(tmp_path / "of.weights.h5")
    model.load_weights(tmp_path / "of.weights.h5")
    assert values([model.seed_generator.state])[0][0] == 4


ELSEWHERE = """
    import keras, numpy as np
    import keras_patchdpm

    stored = np.load("inputs.npz")
    model = keras.saving.load_model("model.keras")
    inputs = {key: stored[key] for key in stored.files if key != "images"}
    output = model.network.predict_on_batch(inputs)
    compiled = model.jit_compile == model._resolve_auto_jit_compile()
    iterations = int(model.optimizer.iterations)
    with model.ema_weights():
        averaged = model.network.predict_on_batch(inputs)
    loss = model.fit(stored["images"], verbose=0).history["loss"][0]
    np.savez("found.npz", output=output, averaged=averaged)
    print(keras.config.backend(), compiled, iterations, np.isfinite(loss))
"""


@pytest.mark.slow
def test_another_backend_gives_the_same_output(tmp_path, rng):
    """Promise 6, with the optimizer's averages."""
    patching = GridPatching(2)
    network = networks.unet(8, patching, width=8, multipliers=(1,), blocks_per_depth=1,
                            attention_depths=(0,))  # fmt: skip
    for weight in network.weights:
        weight.assign(rng.normal(0, 0.2, weight.shape))
    model = PatchDPM(network, DDPMSchedule(), patching)
    optimizer = keras.optimizers.Adam(0.01, use_ema=True, ema_momentum=0.5)
    keep = keras.callbacks.ModelCheckpoint(tmp_path / "model.keras")
    images = tiny_images(8)
    train(model, images, optimizer, callbacks=[keep])
    last = keras.saving.load_model(tmp_path / "model.keras")
    inputs = {
        "noisy": rng.normal(size=(4, 4, 4, 3)).astype("float32"),
        "content": rng.normal(size=(4, 4, 4, 3)).astype("float32"),
        "timestep": np.array([0, 300, 600, 999], "int32"),
        "patch_index": np.arange(4, dtype="int32"),
    }
    np.savez(tmp_path / "inputs.npz", images=images, **inputs)
    done = run_python(inspect.cleandoc(ELSEWHERE), tmp_path, KERAS_BACKEND=READER)
    assert done.stdout.split()[-4:] == [READER, "True", "2", "True"], done.stderr
    with np.load(tmp_path / "found.npz") as found:
        expected = last.network.predict_on_batch(inputs)
        np.testing.assert_allclose(found["output"], expected, rtol=0, atol=1e-4)
        with last.ema_weights():
            averaged = last.network.predict_on_batch(inputs)
        np.testing.assert_allclose(found["averaged"], averaged, rtol=0, atol=1e-4)
    assert np.abs(averaged - expected).max() > 1e-3
