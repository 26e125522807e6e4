"""Steps of gradient descent, in NumPy: the same numbers on every backend."""

import keras
import numpy as np
from keras import layers, ops
from tiny_models import tiny_images, train, values

from keras_patchdpm import DDPMSchedule, GridPatching, PatchDPM

STEPS, RATE = 4, 0.5


def linear_network(patching):
    """`noisy @ A + content @ B + b`: all that it learns can be written down."""
    inputs = {
        name: keras.Input(shape, dtype=dtype, name=name)
        for name, (shape, dtype, *_) in patching.input_specs((8, 8, 3)).items()
    }
    inputs["timestep"] = keras.Input((), dtype="int32", name="timestep")
    x = layers.Concatenate()([inputs["noisy"], inputs["content"]])
    return keras.Model(inputs, layers.Conv2D(3, 1, name="mix")(x))


def test_steps_by_hand(rng, monkeypatch):
    patching = GridPatching(2, position=False, patches_per_image=4)
    schedule = DDPMSchedule("linear", prediction="velocity", min_snr_gamma=5.0)
    levels = np.array([100, 500, 300, 200], "int32")
    noise = rng.normal(size=(4, 8, 8, 3)).astype("float32")
    schedule.draw = lambda count, seed: ops.convert_to_tensor(levels)
    monkeypatch.setattr(
        keras.random, "normal", lambda *args, **kwargs: ops.convert_to_tensor(noise)
    )
    images = tiny_images(4)
    model = PatchDPM(linear_network(patching), schedule, patching)
    kernel = rng.normal(0, 0.3, (6, 3))
    bias = rng.normal(0, 0.3, 3)
    model.network.get_layer("mix").set_weights([kernel.reshape(1, 1, 6, 3), bias])
    history = train(model, images, keras.optimizers.SGD(RATE), epochs=STEPS)

    clean = images / 127.5 - 1
    alpha, sigma = (
        table[levels].reshape(4, 1, 1, 1)
        for table in (schedule.alphas, schedule.sigmas)
    )
    noisy = alpha * clean + sigma * noise
    target = (alpha * noise - sigma * clean).reshape(4, 64, 3)
    # All four patches are seen: pixel (i, j) of a patch goes with that of the content.
    pooled = noisy.reshape(4, 4, 2, 4, 2, 3).mean(axis=(2, 4))
    told = np.concatenate([noisy, np.tile(pooled, (1, 2, 2, 1))], -1).reshape(4, 64, 6)
    snr = ((alpha / sigma) ** 2).reshape(4, 1, 1)
    weight = np.minimum(snr, 5.0) / (snr + 1)
    losses = []
    for _ in range(STEPS):
        error = told @ kernel + bias - target
        losses.append((weight * error**2).mean())
        slope = 2 * weight * error / error.size
        kernel = kernel - RATE * np.einsum("bpi,bpo->io", told, slope)
        bias = bias - RATE * slope.sum(axis=(0, 1))
    assert losses[-1] < 0.9 * losses[0]
    np.testing.assert_allclose(history["loss"], losses, atol=1e-5)
    found = values(model.network.get_layer("mix").weights)
    np.testing.assert_allclose(found[0].reshape(6, 3), kernel, atol=1e-5)
    np.testing.assert_allclose(found[1], bias, atol=1e-5)
