"""Two devices in one process: the same training, and noise of each one's own."""

import inspect
import types

import keras
import numpy as np
import pytest
from fresh_python import ROOT, run_python
from tiny_models import tiny_model

from keras_patchdpm import runtime
from keras_patchdpm.models._batches import BatchCheck

MIRRORED = """
    import sys; sys.path.insert(0, TESTS)
    import numpy as np, tensorflow as tf
    cpu = tf.config.list_physical_devices("CPU")[0]
    device = tf.config.LogicalDeviceConfiguration()
    tf.config.set_logical_device_configuration(cpu, [device, device])
    import keras_patchdpm, keras
    from tiny_models import FixedNoise, tiny_images, tiny_model, train, values
    from keras_patchdpm import GridPatching

    def run(**compiled):
        patching = GridPatching(2, patches_per_image=4)
        l2 = keras.regularizers.L2(0.1)
        model = tiny_model(patching, FixedNoise(), regularizer=l2)
        model.compile(optimizer=keras.optimizers.SGD(0.1), metrics=["mse"], **compiled)
        history = train(model, tiny_images(8), epochs=2)
        history["again"] = model.evaluate(tiny_images(8), verbose=0, batch_size=4)
        return history, values(model.network.weights), model

    for compiled in ({}, {"loss": "mse"}):
        expected, weights, _ = run(**compiled)
        strategy = tf.distribute.MirroredStrategy(["CPU:0", "CPU:1"])
        with strategy.scope():
            found, others, model = run(**compiled)
        for key in expected:
            np.testing.assert_allclose(found[key], expected[key], rtol=1e-5)
        for one, other in zip(weights, others, strict=True):
            np.testing.assert_allclose(one, other, atol=1e-5)

    def draw():
        return keras.random.normal((64,), seed=model.seed_generator)

    draws = []
    for _ in range(2):
        result = strategy.run(tf.function(draw))
        draws += map(np.array, strategy.experimental_local_results(result))
    print("replicas", len(draws), np.abs(np.corrcoef(draws) - np.eye(4)).max() < 0.6)
"""

PARALLEL = """
    import sys; sys.path.insert(0, TESTS)
    import numpy as np, jax
    import keras_patchdpm, keras
    from tiny_models import state, tiny_images, tiny_model, train

    def run():
        model = tiny_model(dropout=0.2)
        optimizer = keras.optimizers.Adam(0.01, use_ema=True, ema_momentum=0.5)
        history = train(model, tiny_images(8), optimizer, epochs=2)
        history["again"] = model.evaluate(tiny_images(8), verbose=0, batch_size=4)
        return history, state(model)

    expected, weights = run()
    devices = keras.distribution.list_devices("cpu")
    keras.distribution.set_distribution(keras.distribution.DataParallel(devices=devices))
    found, others = run()
    for key in expected:
        np.testing.assert_allclose(found[key], expected[key], rtol=1e-5)
    for one, other in zip(weights, others, strict=True):
        np.testing.assert_allclose(one, other, atol=1e-5)
    print("devices", len(devices), True)
"""

RUNS = {
    "tensorflow": (MIRRORED, "replicas 4 True", {}),
    "jax": (
        PARALLEL,
        "devices 2 True",
        {
            "XLA_FLAGS": "--xla_force_host_platform_device_count=2",
            "JAX_DISABLE_MOST_OPTIMIZATIONS": "1",
        },
    ),
}

# Keras has no `keras.distribution` for PyTorch.
if keras.backend.backend() in RUNS:

    @pytest.mark.slow
    def test_two_devices(tmp_path):
        script, says, variables = RUNS[keras.backend.backend()]
        script = inspect.cleandoc(script).replace("TESTS", repr(str(ROOT / "tests")))
        done = run_python(script, tmp_path, **variables)
        assert done.stdout.strip().endswith(says), done.stderr


@pytest.mark.once
@pytest.mark.parametrize(
    ("mesh", "processes", "expected"),
    [((2,), 1, 2), ((4,), 2, 2), ((2,), 2, 1), ((3, 2), 1, 3), ((2,), 4, 1)],
)
def test_a_batch_is_divided_among_the_devices_of_this_process(
    mesh, processes, expected, monkeypatch
):
    model = tiny_model()
    distribution = types.SimpleNamespace(
        batch_dim_name="batch",
        device_mesh=types.SimpleNamespace(shape=mesh, axis_names=["batch", "model"]),
    )
    monkeypatch.setattr(keras.distribution, "distribution", lambda: distribution)
    monkeypatch.setattr(runtime, "processes", lambda: (processes, 0))
    check = BatchCheck(model)
    assert check.shards == expected
    check(np.zeros((6, 8, 8, 3), "uint8"), 0)
    if expected > 1:
        message = f"A batch of 7 images cannot be divided among {expected} devices"
        with pytest.raises(ValueError, match=message):
            check(np.zeros((7, 8, 8, 3), "uint8"), 0)
