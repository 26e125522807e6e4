# ---
# jupyter:
#   jupytext:
#     text_representation:
#       extension: .py
#       format_name: percent
#   kernelspec:
#     display_name: Python 3
#     language: python
#     name: python3
# ---

# %% [markdown]
# # Patches that belong together
#
# In the paper's method all patches are made at once, each from noise, and agree only
# through the pooled noisy image. That takes long training: until then every image is
# cut where its patches meet, and the more patches, the worse.
#
# A **cascade** asks the network for a thumbnail first, of the size of a patch, and
# then for images of twice the size, whose patches are told what the image before shows
# and add the detail that it lacks.
# What the image is of is settled before any patch of it is made. Its grid **moves** at
# every step, so that no border stays where it is. A call of the network still sees one
# patch, and takes the memory of one patch.
#
# Here are both, from the same scenes, the same network and the same training.

# %%
import os

os.environ.setdefault("KERAS_BACKEND", "tensorflow")  # Or "jax", or "torch".
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import keras
import matplotlib.pyplot as plt
import numpy as np

import keras_patchdpm as kp

# With PATCHDPM_FAST=1, a run for testing, that learns next to nothing.
FAST = os.environ.get("PATCHDPM_FAST") == "1"
IMAGES, EPOCHS, WIDTH, STEPS = (256, 2, 16, 4) if FAST else (4096, 12, 32, 50)
N, SHOWN, SAMPLES = 2, 10, 10 if FAST else 64  # 4 patches of 16 x 16 pixels.

scenes = kp.datasets.synthetic_scenes(IMAGES, image_size=32, seed=0)

# %% [markdown]
# One argument says which it is: the patching. Everything else is as in
# [the first tutorial](train_a_patch_dpm.ipynb).


# %%
def trained(patching):
    """A model of the scenes, after a few minutes of training."""
    keras.utils.set_random_seed(0)
    network = kp.networks.unet(
        image_size=32,
        patching=patching,
        width=WIDTH,
        multipliers=(1, 2),
        blocks_per_level=1,
        stem=2,
    )
    model = kp.PatchDPM(network, kp.DDPMSchedule(prediction="clean"), patching)
    rate = keras.optimizers.schedules.CosineDecay(2e-3, EPOCHS * IMAGES // 32)
    model.compile(keras.optimizers.Adam(rate, use_ema=True, ema_momentum=0.995))
    model.fit(scenes, batch_size=32, epochs=EPOCHS, verbose=0)
    return model


models = {
    "the paper's": trained(kp.GridPatching(N)),
    "cascade": trained(kp.CascadePatching(N)),
}

# %% [markdown]
# Samples of both, unselected. The paper's houses are cut in the middle; the cascade's
# are whole.

# %%
samples = {"scenes": scenes[:SAMPLES]}
for label, model in models.items():
    sampler = kp.PatchSampler(model, solver="ddim", steps=STEPS, patches_per_call=4)
    samples[label] = sampler(num_images=SAMPLES, batch_size=SAMPLES)

figure, axes = plt.subplots(3, SHOWN, figsize=(SHOWN, 3.15))
for line, (label, images) in zip(axes, samples.items(), strict=True):
    for axis, image in zip(line, images, strict=False):
        axis.imshow(image, interpolation="nearest")
        axis.set(xticks=[], yticks=[])
    line[0].set_ylabel(label, rotation=0, ha="right", va="center")
figure.tight_layout(pad=0.3)
plt.show()

# %% [markdown]
# In figures: the step between pixels on two sides of a border, over the step elsewhere,
# is to be what it is in the scenes. And the two edges of a scene have one colour.


# %%
def edge_gap(images):
    """Mean difference between the left and the right edge, of 255."""
    return np.abs(images[:, :, 0].astype("float32") - images[:, :, -1]).mean()


seams = {label: kp.metrics.seam_ratio(images, N) for label, images in samples.items()}
for label, images in samples.items():
    print(f"{label:12} seam ratio {seams[label]:.2f}, edges {edge_gap(images):5.1f}")

off = {label: abs(seam / seams["scenes"] - 1) for label, seam in seams.items()}
assert FAST or off["cascade"] < 0.2 < 1 < off["the paper's"]
assert FAST or edge_gap(samples["cascade"]) < edge_gap(samples["the paper's"])

# %% [markdown]
# Memory is that of one patch in both: the cascade's network is given two maps more in
# its first layer, and that is all. Measured at a size at which it counts.

# %%
activations = {}
for label, patching in {
    "the paper's": kp.GridPatching(N),
    "cascade": kp.CascadePatching(N),
}.items():
    network = kp.networks.unet(128, patching, width=32, attention_levels=(), stem=2)
    model = kp.PatchDPM(network, kp.DDPMSchedule(prediction="clean"), patching)
    activations[label] = kp.memory.profile(model, batch_size=4).activations
    print(f"{label:12} {activations[label] / 2**20:.2f} MiB")

assert activations["cascade"] < 1.1 * activations["the paper's"]

# %% [markdown]
# - [Seams: what was tried](../docs/seams.md) has the other ways, with figures.
# - `N = 4` above: no borders either, but houses that need longer training.
# - `python -m keras_patchdpm train --help` trains any of them on your pictures.
