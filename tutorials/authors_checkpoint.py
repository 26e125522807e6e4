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
# # Sample the authors' checkpoint, patch by patch
#
# The authors of [Arakawa et al. 2023](https://arxiv.org/abs/2304.07087) publish a
# checkpoint for faces of CelebA in 4 x 4 patches; the link is in the README of
# [their repository](https://github.com/ShineiArakawa/patch-based-ddpm), under
# "Pre-trained models". Their code computes all 16 patches in one call of the network.
# This page samples the same weights one patch at a time.
#
# Download the file, and name it in the environment:
#
# ```bash
# AUTHORS_CHECKPOINT=model-last.pt jupyter notebook notebooks/authors_checkpoint.ipynb
# ```
#
# Reading it needs PyTorch, with any backend; it reads tensors alone
# (`weights_only=True`). Without the file, the page uses a smaller network with random
# weights, whose images are noise. That is how this page was made: the file could not be
# downloaded where it was. It takes under one minute on two cores.

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

import matplotlib.pyplot as plt
import numpy as np

import keras_patchdpm as kp

CHECKPOINT = os.environ.get("AUTHORS_CHECKPOINT")
FAST = os.environ.get("PATCHDPM_FAST") == "1"
STEPS = 50 if CHECKPOINT else 2  # The authors take 1000, with `"ddpm"`.
IMAGE_SIZE = 32 if FAST else 128

# %% [markdown]
# ## Network and weights
#
# `arakawa_unet` has the layers of the authors' network. `load_authors_weights` checks
# names and shapes of all tensors before it assigns one of them.

# %%
if CHECKPOINT:
    network = kp.networks.arakawa_unet(image_size=128, divisions=4, dim=128)
    kp.networks.load_authors_weights(network, CHECKPOINT, which="ema")
else:
    network = kp.networks.arakawa_unet(IMAGE_SIZE, divisions=4, dim=8)
print(f"{network.count_params() / 1e6:.1f} million weights")

# %% [markdown]
# ## Model and sampler
#
# Their schedule: cosine, 1000 steps, the network predicts the noise. Position (one-hot)
# and GCC are those of `GridPatching(4)`.

# %% alt="Four samples: noise, since the weights of this page are random."
model = kp.PatchDPM(
    network, kp.DDPMSchedule("cosine", prediction="noise"), kp.GridPatching(4)
)
sampler = kp.PatchSampler(model, "ddim", STEPS, patches_per_call=1)
images = sampler(num_images=4, seed=0)

figure, axes = plt.subplots(1, 4, figsize=(8, 2.2))
for axis, image in zip(axes, images, strict=True):
    axis.imshow(image, interpolation="nearest")
    axis.set(xticks=[], yticks=[])
figure.suptitle("the authors' weights" if CHECKPOINT else "random weights")
plt.show()

# %% [markdown]
# ## The memory of both ways
#
# One call with all 16 patches, as in the authors' code, and 16 calls of one patch give
# the same images.

# %%
at_once = kp.PatchSampler(model, "ddim", STEPS, patches_per_call=16)
others = at_once(num_images=4, seed=0)
differences = np.abs(images.astype(int) - others)
share = (differences > 1).mean()
print(f"{share:.2%} of the values differ by more than 1 of 255")
assert share < 0.01

for count in (16, 1):
    report = kp.memory.profile(model, batch_size=1, patches_per_call=count, timed=False)
    print(f"{count:2} patches a call: {report.activations / 2**20:6.1f} MiB")
