"""Each image of a training batch is trained at one stage; stages have their shares."""

import keras
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from keras import ops

from keras_patchdpm import CascadePatching, runtime
from keras_patchdpm.patching.batch_shares import by_stage


def stages_of(batch, shares, seed_generator, computed=None):
    """The stage of each image, and the image of which its row was computed."""
    images = ops.reshape(ops.arange(batch, dtype="float32"), (batch, 1, 1, 1))

    def rows_of(images, stage):
        if computed is not None:
            computed.append((stage, images.shape[0]))
        count = ops.shape(images)[0]
        return {"stage": ops.full((count,), stage, "int32"), "image": images[:, 0, 0]}

    rows = by_stage(rows_of, images, shares=shares, seed_generator=seed_generator)
    return [ops.convert_to_numpy(rows[name]) for name in ("stage", "image")]


@pytest.mark.once
@settings(deadline=None)
@given(batch=st.integers(1, 50), weights=st.lists(st.integers(0, 9), min_size=1))
def test_each_stage_has_its_share(batch, weights):
    weights[0] += 1
    shares = [weight / sum(weights) for weight in weights]
    computed = []
    seed_generator = keras.random.SeedGenerator(batch)
    stage, image = stages_of(batch, shares, seed_generator, computed)
    assert (image[:, 0] == np.arange(batch)).all()
    found = np.bincount(stage, minlength=len(shares))
    exact = np.array(shares) * batch
    whole = np.floor(exact + 1e-4)
    assert found.sum() == batch and (found >= whole).all()
    assert not found[exact == 0].any()
    left = batch - int(whole.sum())
    expected = [(k, int(n)) for k, n in enumerate(whole) if n]
    expected += [(k, left) for k in range(len(shares)) if left]
    assert computed == expected  # Nothing else is computed.


@pytest.mark.once
def test_every_image_has_every_stage_as_often():
    """Also those that the shares leave over, and in any order of the images."""
    shares, seed_generator = (0.5, 0.3, 0.2), keras.random.SeedGenerator(1)
    counts = np.zeros((7, 3))
    rounds = 600
    for _ in range(rounds):
        stage, _ = stages_of(7, shares, seed_generator)
        counts[np.arange(7), stage] += 1
    np.testing.assert_allclose(counts / rounds, [shares] * 7, atol=0.08)
    np.testing.assert_allclose(counts.mean(axis=0) / rounds, shares, atol=0.02)


def test_a_compiled_function_for_batches_of_several_sizes():
    """A graph of TensorFlow does not know the size, after the second one."""
    patching = CascadePatching(4, stage_shares=(1, 2, 3))

    @runtime.compiled
    def example(images):
        return patching.example(images, lambda clean: (clean, clean), 2)[0]

    for batch in (6, 7, 1):
        inputs = example(np.ones((batch, 8, 8, 1), "float32"))
        stage = ops.convert_to_numpy(inputs["stage"])
        assert stage.shape == (batch,) and inputs["noisy"].shape == (batch, 2, 2, 1)
        found = np.bincount(stage, minlength=3)
        assert (found >= np.floor(batch * np.array([1, 2, 3]) / 6 + 1e-4)).all()


@pytest.mark.once
def test_shares_of_a_cascade():
    patching = CascadePatching(2, stage_shares=(3, 1))
    assert patching.get_config()["stage_shares"] == [3, 1]
    images = ops.ones((8, 4, 4, 1))
    for seed in range(3):
        inputs, _ = patching.example(
            images, lambda clean: (clean, clean), keras.random.SeedGenerator(seed)
        )
        stage = ops.convert_to_numpy(inputs["stage"])
        assert np.bincount(stage).tolist() == [6, 2]


@pytest.mark.once
@pytest.mark.parametrize(
    ("shares", "message"),
    [
        ((1,), "`stage_shares` must contain 2"),
        ((0, 0), "At least one stage"),
        ((1, -1), "`stage_shares` must be at least 0"),
    ],
)
def test_refuses(shares, message):
    with pytest.raises(ValueError, match=message):
        CascadePatching(2, stage_shares=shares)
