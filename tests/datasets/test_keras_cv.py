"""The random crop of keras-cv and ours: collected where keras-cv is installed."""

import numpy as np
import pytest
from datasets.test_crop_and_resize import ramps
from keras import ops

from keras_patchdpm.datasets import random_crop_and_resize_layer
from keras_patchdpm.datasets._crop_and_resize import crop_and_resize

pytestmark = pytest.mark.once


def test_it_makes_the_same_of_the_same_box(rng):
    """Its box is read from two channels that say where a pixel was."""
    layer = random_crop_and_resize_layer(
        (12, 16), area=(0.3, 0.9), aspect=(0.7, 1.4), seed=1
    )
    images = rng.normal(size=(4, 20, 24, 3)).astype("float32")
    both = np.concatenate([images, np.repeat(ramps(20, 24), 4, axis=0)], axis=-1)
    found = np.asarray(layer(both, training=True))
    boxes = np.concatenate([found[:, 0, 0, 3:], found[:, -1, -1, 3:]], axis=-1)
    assert len(np.unique(boxes.round(4), axis=0)) == 4
    ours = ops.convert_to_numpy(crop_and_resize(images, boxes, (12, 16)))
    np.testing.assert_allclose(ours, found[..., :3], atol=1e-4)
