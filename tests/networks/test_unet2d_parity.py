"""`unet2d` beside the `UNet2DModel` of `diffusers`, which has the same weights.

It needs PyTorch, beside any backend: `conftest.py` leaves the file out without it.
"""

import diffusers_models
import numpy as np
import pytest
from diffusers_models import DEEP, RESIDUAL, SMALL
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
# Of `RESIDUAL`, what is no argument of ours, or has another name.
NOT_OURS = ("attn_norm_num_groups", "num_class_embeds", "out_channels")


@pytest.mark.parametrize(
    ("base", "options"),
    [
        (DEEP, {}),
        (SMALL, THEIRS),
        (SMALL, OTHERS),
        (SMALL, {**OTHERS, "add_attention": False, "attention_head_dim": 8}),
        (DEEP, RESIDUAL),
        pytest.param(
            SMALL,
            {**THEIRS, **RESIDUAL, "down_block_types": ("DownBlock2D",) * 2},
            marks=pytest.mark.once,
        ),
    ],
    ids=["google", "diffusers", "other", "no attention", "residual", "mixed"],
)
def test_equals_the_network_of_diffusers(base, options):
    config = {**base, **options}
    theirs = diffusers_models.random_unet(**config)
    names = {*diffusers_models.OURS, *options} - {*NOT_OURS}
    chosen = {name: config[name] for name in names}
    num_classes = options.get("num_class_embeds")
    network = unet2d((64, 32), num_classes=num_classes, **chosen)
    load_diffusers_weights(network, diffusers_models.arrays(theirs))
    values = inputs_of(network)
    expected = diffusers_models.predicted(theirs, **values)[..., :3]
    assert np.ptp(expected) > 0.5
    found = network.predict_on_batch(values)
    np.testing.assert_allclose(found, expected, rtol=0, atol=1e-4)
