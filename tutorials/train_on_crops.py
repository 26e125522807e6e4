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
# # Patch Diffusion: train on crops
#
# **Patch Diffusion** (Wang et al. 2023) trains on random crops of several sizes. Small
# crops are cheap, so a second of training sees more of them. Two channels hold the
# coordinates of every pixel in the whole image. The sampler generates whole images.
#
# This tutorial trains such a model on labelled images, and guides its samples towards a
# label. It takes under five minutes on two cores.

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
IMAGES, EPOCHS, WIDTH, STEPS = (256, 1, 8, 2) if FAST else (4096, 24, 32, 18)
BATCH, SHOWN = 32, 10

# %% [markdown]
# The label of a scene is the strongest colour channel of its sky.

# %%
SKIES = ("red", "green", "blue")
scenes = kp.datasets.synthetic_scenes(IMAGES, image_size=32, seed=0)


def sky(images):
    """0, 1 or 2: the strongest colour of the top left pixel."""
    return images[:, 0, 0].argmax(axis=-1)


labels = sky(scenes)
for number, name in enumerate(SKIES):
    print(f"{name}: {np.mean(labels == number):.0%} of the scenes")

# %% [markdown]
# ## Crops
#
# `RandomPatching` defines the crops of a step: a quarter of the image's side, half of
# it, or all of it. A step on quarters uses four times as many crops, and still costs
# less.

# %%
patching = kp.RandomPatching(image_size=32)
for size, probability, times in zip(
    patching.sizes, patching.probabilities, patching.batch_multipliers, strict=True
):
    print(f"{size}: {probability:.0%} of the steps, {times} x batch_size crops")
work = sum(
    probability * times * (size[0] * size[1]) / 32**2
    for size, probability, times in zip(
        patching.sizes, patching.probabilities, patching.batch_multipliers, strict=True
    )
)
print(f"pixels of a step, over one of whole images: {work:.2f}")
print(f"images of a step, over one of whole images: {patching.mean_batch_multiplier}")

# %% [markdown]
# The crops are cut while the batches are built. Here is one batch of each size, with
# each crop at its position:

# %% alt="Crops of a quarter and a half of the side, and whole scenes."
batches = patching.batches(scenes, batch_size=SHOWN, seed=0, labels=labels)
figure, axes = plt.subplots(3, SHOWN, figsize=(SHOWN, 3.2))
for line, number in zip(axes, range(3), strict=True):
    step = int(np.argmax(batches.sizes(0) == number))
    data, _ = batches[step]
    for axis, crop, rows, cols in zip(
        line, data["images"], data["rows"], data["cols"], strict=False
    ):
        canvas = np.full((32, 32, 3), 235, "uint8")
        canvas[rows[:, None], cols[None, :]] = crop
        axis.imshow(canvas, interpolation="nearest")
        axis.set(xticks=[], yticks=[])
figure.tight_layout(pad=0.3)
plt.show()

# %% [markdown]
# ## Training
#
# The schedule is that of EDM (Karras et al. 2022). With `num_classes` the network is
# conditioned on a label. `label_dropout` sometimes hides the label, because guidance
# also needs predictions without a label. The half-life of the averaged weights counts
# crops.

# %%
keras.utils.set_random_seed(0)
schedule = kp.EDMSchedule()
network = kp.networks.unet(
    image_size=32,
    patching=patching,
    width=WIDTH,
    multipliers=(1, 2),
    blocks_per_depth=1,
    stem=2,
    schedule=schedule,
    num_classes=len(SKIES),
)
model = kp.PatchDPM(network, schedule, patching, label_dropout=0.1)

steps = EPOCHS * IMAGES // BATCH
momentum = kp.training.ema_momentum(
    half_life=8_000, images_per_step=kp.training.images_per_step(model, BATCH)
)
rate = keras.optimizers.schedules.CosineDecay(
    0.0, steps, warmup_target=2e-3, warmup_steps=steps // 20
)
model.compile(keras.optimizers.Adam(rate, use_ema=True, ema_momentum=momentum))
history = model.fit(scenes, labels, batch_size=BATCH, epochs=EPOCHS, verbose=0)
print(f"{steps} steps, an average of m = {momentum:.4f}")
print(f"loss {history.history['loss'][0]:.3f} to {history.history['loss'][-1]:.3f}")

# %% [markdown]
# ## Sampling, towards a label
#
# The sampler generates whole images with Heun's method. Each row has one label. The
# images of a column start from the same noise, so some of them have the same house.

# %% alt="Ten samples for each label: red, green and blue skies."
guidance = kp.Guidance("label", 1.5)
sampler = kp.PatchSampler(model, solver="heun", steps=STEPS, guidance=guidance)
figure, axes = plt.subplots(3, SHOWN, figsize=(SHOWN, 3.2))
for number, (line, name) in enumerate(zip(axes, SKIES, strict=True)):
    for axis, image in zip(line, sampler(SHOWN, labels=number), strict=True):
        axis.imshow(image, interpolation="nearest")
        axis.set(xticks=[], yticks=[])
    line[0].set_ylabel(name, rotation=0, ha="right", va="center")
figure.tight_layout(pad=0.3)
plt.show()

# %% [markdown]
# How many of the samples have the sky of their label? Without labels it would be a
# third.

# %%
asked = np.arange(10 if FAST else 60) % 3
for scale in (0.0, 1.0, 2.0):
    guidance = kp.Guidance("label", scale)
    sampler = kp.PatchSampler(model, "heun", steps=STEPS, guidance=guidance)
    found = sky(sampler(len(asked), labels=asked, batch_size=30))
    share = np.mean(found == asked)
    print(f"guidance_scale={scale}: {share:.0%}")

assert FAST or share > 0.8

# %% [markdown]
# - [One model, any memory](one_model_any_memory.ipynb): the network is also conditioned
#   on the whole noisy image, and the sampler uses any number of patches.
# - Formulas, latents and augmentation:
#   [Patch Diffusion in one page](../docs/patch_diffusion.md).
