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
# # One model, any memory
#
# **Patch Diffusion** (Wang et al. 2023) trains on random crops of several sizes. Small
# crops are cheap, so a second of training sees more images. The sampler generates the
# whole image at once, and needs the memory of the whole image.
#
# Here the network is also conditioned on the whole noisy image, pooled to the size of
# the crop, as in Arakawa et al. 2023. One model, trained once, then generates whole
# images, or images in 2 x 2 or 4 x 4 patches. You choose the memory when you sample. It
# takes under five minutes on two cores.

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

import keras_patchdpm as kp

# With PATCHDPM_FAST=1, a run for testing, that learns next to nothing.
FAST = os.environ.get("PATCHDPM_FAST") == "1"
IMAGES, EPOCHS, WIDTH, STEPS = (256, 1, 8, 2) if FAST else (4096, 24, 32, 18)
SHOWN, SAMPLES = 10, 10 if FAST else 32

scenes = kp.datasets.synthetic_scenes(IMAGES, image_size=32, seed=0)

# %% [markdown]
# ## Training
#
# `RandomPatching` defines the crops of a step: a quarter of the image's side, half of
# it, or all of it. A step on quarters uses four times as many crops, and still costs
# less.

# %%
patching = kp.RandomPatching(image_size=32, content=True)
for size, probability, times in zip(
    patching.sizes, patching.probabilities, patching.batch_multipliers, strict=True
):
    print(f"{size}: {probability:.0%} of the steps, {times} x batch_size crops")

# %% [markdown]
# The schedule is that of EDM (Karras et al. 2022). The rest is Keras: `compile`, `fit`.

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
)
model = kp.PatchDPM(network, schedule, patching)
steps = EPOCHS * IMAGES // 32
rate = keras.optimizers.schedules.CosineDecay(
    0.0, steps, warmup_target=2e-3, warmup_steps=steps // 20
)
model.compile(keras.optimizers.Adam(rate, use_ema=True, ema_momentum=0.995))
history = model.fit(scenes, batch_size=32, epochs=EPOCHS, verbose=0)
print(f"loss {history.history['loss'][0]:.3f} to {history.history['loss'][-1]:.3f}")

# %% [markdown]
# ## Sampling with any N
#
# `model.tiled(n)` chooses the grid. `shift=True` shifts it at every step, so that no
# border stays where it is.

# %% alt="Ten scenes, and ten samples at N = 1, 2 and 4: rougher with every N."
samples = {"scenes": scenes[:SAMPLES]}
for n in (1, 2, 4):
    sampler = kp.PatchSampler(model.tiled(n, shift=n > 1), solver="heun", steps=STEPS)
    samples[f"N = {n}"] = sampler(num_images=SAMPLES, batch_size=SAMPLES)

figure, axes = plt.subplots(4, SHOWN, figsize=(SHOWN, 4.2))
for line, (label, images) in zip(axes, samples.items(), strict=True):
    for axis, image in zip(line, images, strict=False):
        axis.imshow(image, interpolation="nearest")
        axis.set(xticks=[], yticks=[])
    line[0].set_ylabel(label, rotation=0, ha="right", va="center")
figure.tight_layout(pad=0.3)
plt.show()

# %% [markdown]
# The first row shows scenes of the training, which have nothing to do with the samples
# under them. The samples of a column start from the same noise, but at a larger N this
# can become another scene. More patches give rougher images: at N = 4 a patch has 8 x 8
# pixels, and this training is short.
#
# The seam ratio is the step between pixels across the borders of a 4 x 4 grid, divided
# by the step elsewhere. Compare it with that of the scenes, whose house and sun are on
# these borders:

# %%
for label, images in samples.items():
    print(f"{label:7} seam ratio {kp.metrics.seam_ratio(images, 4):.2f}")

ratios = [kp.metrics.seam_ratio(images, 4) for images in samples.values()]
assert FAST or max(ratios) == ratios[0]

# %% [markdown]
# No sample has a higher ratio than the scenes, so the borders between patches do not
# show. A lower ratio is no better: at N = 4 the whole image is rough, and few of its
# houses have straight edges.
#
# ## Memory
#
# The activations of one network call, for four images, one patch of each at a time.
# They are measured for images of 128 x 128, where memory matters.

# %%
large = kp.RandomPatching(image_size=128, content=True)
network = kp.networks.unet(
    128, large, width=32, attention_depths=(), stem=2, schedule=schedule
)
model_of_large_images = kp.PatchDPM(network, schedule, large)
activations = {}
for n in (1, 2, 4):
    tiled = model_of_large_images.tiled(n)
    report = kp.memory.profile(tiled, batch_size=4, timed=False)
    activations[n] = report.activations
    print(f"N = {n}: {report.activations / 2**20:6.2f} MiB")

assert activations[4] < activations[2] < activations[1]

# %% [markdown]
# - `PatchSampler(model.tiled(4), memory_budget="300MB")` chooses how many patches the
#   network processes at a time.
# - `model.tiled(4, overlap=0.5)` blends patches that share half of their sides;
#   `whole_above=5.0` uses the whole image as one patch while the noise is strong.
# - [Patch Diffusion: train on crops](train_on_crops.ipynb): labels and guidance.
# - `RandomPatching(image_size=64)`, without `content`, is the original method of Wang
#   et al.; `PatchSampler(model, "heun", steps=18)` is its sampler.
# - Formulas: [Patch Diffusion in one page](../docs/patch_diffusion.md).
