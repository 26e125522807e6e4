"""`unet2d` beside the `UNet2DModel` of `diffusers`, which has the same weights.

It needs PyTorch, beside any backend: `conftest.py` leaves the file out without it.
"""

import diffusers_models
import numpy as np
import pytest
from diffusers_models import DEEP, SMALL
from unet2d_inputs import THEIRS, inputs_of

from keras_patchdpm.networks import load_diffusers_weights, unet2d

OTHERS = {
    **THEIRS,
    "center_input_sample": True,
    "mid_block_scale_factor": 2.0,
    "layers_per_block": 2,
    "down_block_types": ("DownBlock2D", "AttnDownBlock2D"),
    "up_block_types": ("UpBlock2D", "UpBlock2D"),
}


@pytest.mark.parametrize(
    ("base", "options"),
    [
        (DEEP, {}),
        (SMALL, THEIRS),
        (SMALL, OTHERS),
        (SMALL, {**OTHERS, "add_attention": False, "attention_head_dim": 8}),
    ],
    ids=["google", "diffusers", "other", "no attention"],
)
def test_equals_the_network_of_diffusers(base, options):
    config = {**base, **options}
    theirs = diffusers_models.random_unet(**config)
    names = (*diffusers_models.OURS, *options)
    chosen = {name: config[name] for name in names}
    network = unet2d((64, 32), **chosen)
    load_diffusers_weights(network, diffusers_models.arrays(theirs))
    values = inputs_of(network)
    expected = diffusers_models.predicted(theirs, values["noisy"], values["timestep"])
    assert np.ptp(expected) > 0.5
    found = network.predict_on_batch(values)
    np.testing.assert_allclose(found, expected, rtol=0, atol=1e-4)
