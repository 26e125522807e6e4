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
# In the original method of Arakawa et al. all patches are generated at once, each from
# noise. They agree only through the pooled noisy image. That needs long training.
# Before that, every image shows borders between its patches, and more patches are
# worse.
#
# A **cascade** generates a thumbnail first, of the size of a patch, then images of
# twice the size. Their patches are conditioned on the enlarged previous image and add
# the missing detail. So the thumbnail determines what the image shows before any patch
# is generated. The grid is **shifted** in each of the last steps, so that no border
# stays where it is. A network call still sees one patch, and needs the memory of one
# patch.
#
# This page compares both, with the same scenes, the same network and the same training.
# It takes under four minutes on two cores.

# %% tags=["colab"]
# On Google Colab alone, this cell fetches the repository and installs the package.
import importlib.util

REPOSITORY = ""  # Its address, for `git clone`. There is no public address yet.
if importlib.util.find_spec("google") and importlib.util.find_spec("google.colab"):
    import os
    import subprocess
    import sys

    if not REPOSITORY:
        raise ValueError("Set `REPOSITORY` to the address of the repository.")
    folder = "/content/keras_patchdpm"
    if not os.path.isdir(folder):
        subprocess.run(["git", "clone", "--depth=1", REPOSITORY, folder], check=True)
    subprocess.run([sys.executable, "-m", "pip", "install", "-q", folder], check=True)
    os.chdir(folder)

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
# The two models differ in one argument: the patching. Everything else is as in
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
        blocks_per_depth=1,
        stem=2,
    )
    model = kp.PatchDPM(network, kp.DDPMSchedule(prediction="clean"), patching)
    rate = keras.optimizers.schedules.CosineDecay(2e-3, EPOCHS * IMAGES // 32)
    model.compile(keras.optimizers.Adam(rate, use_ema=True, ema_momentum=0.995))
    model.fit(scenes, batch_size=32, epochs=EPOCHS, verbose=0)
    return model


models = {
    "original": trained(kp.GridPatching(N)),
    "cascade": trained(kp.CascadePatching(N)),
}

# %% [markdown]
# Samples of both, unselected. The houses of the original method are cut in the middle,
# nearly all of those of the cascade are whole.

# %% alt="Ten scenes; houses cut in the middle (original); whole ones (cascade)."
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
# Two numbers measure this. The seam ratio is the step between pixels across a border,
# divided by the step elsewhere; it should be that of the scenes. The left and the right
# edge of a scene have the same colour.


# %%
def edge_gap(images):
    """Mean difference between the left and the right edge, of 255."""
    return np.abs(images[:, :, 0].astype("float32") - images[:, :, -1]).mean()


seams = {label: kp.metrics.seam_ratio(images, N) for label, images in samples.items()}
for label, images in samples.items():
    print(f"{label:12} seam ratio {seams[label]:.2f}, edges {edge_gap(images):5.1f}")

off = {label: abs(seam / seams["scenes"] - 1) for label, seam in seams.items()}
assert FAST or off["cascade"] < 0.2 < 1 < off["original"]
assert FAST or edge_gap(samples["cascade"]) < edge_gap(samples["original"])

# %% [markdown]
# Both need the memory of one patch: the only difference is that the cascade's network
# has two more maps in its first layer. The memory is measured at a size where it
# matters.

# %%
activations = {}
for label, patching in {
    "original": kp.GridPatching(N),
    "cascade": kp.CascadePatching(N),
}.items():
    network = kp.networks.unet(128, patching, width=32, attention_depths=(), stem=2)
    model = kp.PatchDPM(network, kp.DDPMSchedule(prediction="clean"), patching)
    activations[label] = kp.memory.profile(model, batch_size=4).activations
    print(f"{label:12} {activations[label] / 2**20:.2f} MiB")

# The figures of TensorFlow's allocator vary by a quarter from process to process.
assert activations["cascade"] < 1.5 * activations["original"]

# %% [markdown]
# - [Seams: what was tried](../docs/seams.md) compares more methods.
# - With `N = 4` above, there are no borders either, but houses need longer training.
# - `python -m keras_patchdpm train` trains any of them on your pictures; see `--help`.
