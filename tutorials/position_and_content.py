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
# # What position and GCC each do
#
# A patch DPM ([Arakawa et al. 2023](https://arxiv.org/abs/2304.07087)) generates all
# patches of an image at the same time. Its network sees one patch, and two more inputs:
#
# - the **position** of the patch in the image, as a one-hot code;
# - **global content conditioning (GCC)**: the whole noisy image, pooled to the size of
#   a patch.
#
# This page shows both inputs as pictures, asks a trained network what it does with
# each, and trains the same network with both, with one, and with none. It takes under
# three minutes on two cores.

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
IMAGES, EPOCHS, WIDTH, STEPS = (64, 1, 8, 2) if FAST else (4096, 7, 16, 40)
N, SHOWN, SAMPLES = 2, 10, 10 if FAST else 64  # 4 patches of 16 x 16 pixels.

scenes = kp.datasets.synthetic_scenes(IMAGES, image_size=32, seed=0)
schedule = kp.DDPMSchedule("cosine", prediction="clean")
grid = kp.PatchGrid(N)


def show(rows, top=None):
    """Shows rows of images, with a label each, and titles over the first row."""
    columns = max(len(images) for images in rows.values())
    figure, axes = plt.subplots(
        len(rows), columns, figsize=(columns, 1.1 * len(rows)), squeeze=False
    )
    for line, (label, images) in zip(axes, rows.items(), strict=True):
        for axis, image in zip(line, images, strict=True):
            axis.imshow(image, interpolation="nearest", cmap="gray", vmin=0)
            axis.set(xticks=[], yticks=[])
        line[0].set_ylabel(label, rotation=0, ha="right", va="center")
    for axis, title in zip(axes[0], top or [], strict=False):
        axis.set_title(title, fontsize=9)
    figure.tight_layout(pad=0.3)
    plt.show()


def as_image(x):
    return np.clip(keras.ops.convert_to_numpy(x) / 2 + 0.5, 0, 1)


# %% [markdown]
# ## The position
#
# The patches of an image are numbered row by row. The network receives the number as a
# one-hot code: as many values as patches, of which one is 1. Drawn as a grid, the 1 is
# where the patch is. The code says nothing else: not that patch 1 is to the right of
# patch 0. The network learns a vector for each position.

# %% alt="Four patches; under each, a grid whose white cell is its position."
patches = keras.ops.convert_to_numpy(grid.split(scenes[:1]))[0]
codes = np.eye(N * N).reshape(N * N, N, N)
show(
    {"patches": patches, "one-hot": codes},
    top=[f"patch {index}" for index in range(N * N)],
)
assert np.array_equal(codes.reshape(N * N, -1).argmax(axis=-1), np.arange(N * N))

# %% [markdown]
# ## The content
#
# Each pixel of the content is the mean of N x N pixels of the *noisy* image: nothing
# else is known while an image is generated. The mean leaves 1/N of the noise, and
# nearly all of the signal. The first row is a scene with more and more noise, the
# second row is the content of the same.

# %% alt="A scene under more and more noise; pooled, it is visible for longer."
timesteps = np.array([50, 200, 350, 500, 650, 800, 950])
alpha, sigma = (keras.ops.convert_to_numpy(x) for x in schedule.alpha_sigma(timesteps))
clean = scenes[:1] / 127.5 - 1
noise = np.random.default_rng(0).normal(size=clean.shape)
noisy = alpha[:, None, None, None] * clean + sigma[:, None, None, None] * noise
content = keras.ops.convert_to_numpy(grid.content(noisy))
show(
    {"noisy": as_image(noisy), "content": as_image(content)},
    top=[f"step {timestep}" for timestep in timesteps],
)

# %% [markdown]
# In numbers: the signal-to-noise ratio is the standard deviation of the scene over that
# of the noise. Pooling nearly doubles it.

# %%
pooled = [keras.ops.convert_to_numpy(grid.content(x)) for x in (clean, noise)]
gain = (pooled[0].std() / clean.std()) / (pooled[1].std() / noise.std())
for timestep, a, s in zip(timesteps, alpha, sigma, strict=True):
    ratio = a * clean.std() / (s * noise.std())
    print(f"step {timestep}: pixels {ratio:5.2f}, content {gain * ratio:5.2f}")
assert 0.8 * N < gain < 1.1 * N

# %% [markdown]
# ## Four trainings
#
# The four models differ in two arguments of `GridPatching`. The scenes, the network,
# the seed and the number of steps are the same.


# %%
def trained(patching):
    """A model of the scenes, after a minute of training."""
    keras.utils.set_random_seed(0)
    network = kp.networks.unet(
        image_size=32,
        patching=patching,
        width=WIDTH,
        multipliers=(1,) if FAST else (1, 2),
        blocks_per_depth=1,
        attention_depths=() if FAST else (1,),
        stem=2,
    )
    model = kp.PatchDPM(network, schedule, patching)
    rate = keras.optimizers.schedules.CosineDecay(3e-3, EPOCHS * IMAGES // 32)
    model.compile(keras.optimizers.Adam(rate, use_ema=True, ema_momentum=0.99))
    history = model.fit(scenes, batch_size=32, epochs=EPOCHS, verbose=0)
    print(f"{patching}: loss {history.history['loss'][-1]:.4f}")
    return model


models = {
    "both": trained(kp.GridPatching(N)),
    "no position": trained(kp.GridPatching(N, position=False)),
    "no GCC": trained(kp.GridPatching(N, content=False)),
    "neither": trained(kp.GridPatching(N, position=False, content=False)),
}

# %% [markdown]
# Samples of all four, from the same noise, unselected. Without position, pieces of sky
# and ground are anywhere, and several patches have a sun of their own. Without GCC, sky
# is above ground, but each patch has its own colours. With both inputs, every image has
# one colour theme and one horizon. After a minute of training no house is whole yet.

# %% alt="With both inputs scenes with seams; else patches that do not fit together."
samples = {"scenes": scenes[:SAMPLES]}
for label, model in models.items():
    sampler = kp.PatchSampler(model, "ddim", steps=STEPS, patches_per_call=N * N)
    samples[label] = sampler(num_images=SAMPLES, batch_size=SAMPLES)
show({label: images[:SHOWN] for label, images in samples.items()})

# %% [markdown]
# ## In numbers
#
# - **Upright**: the share of images whose upper corners are all brighter than the lower
#   ones, as in every scene. A patch alone does not show where it belongs.
# - **Edges**: the difference between the left and the right edge, of 255. In a scene
#   it is 0. Left and right belong to different patches, so only the content can make
#   them agree.
# - **Seams**: the step between pixels across the borders of patches, over the step
#   elsewhere. It should be that of the scenes.


# %%
def upright(images):
    """Share of images whose upper corners are all brighter than the lower ones."""
    corners = images[:, [0, -1]][:, :, [0, -1]].mean(axis=-1)
    return float(np.mean(corners[:, 0].min(axis=-1) > corners[:, 1].max(axis=-1)))


def edge_gap(images):
    """Mean difference between the left and the right edge, of 255."""
    left, right = images[:, :, 0].astype("float32"), images[:, :, -1]
    return float(np.abs(left - right).mean())


up = {label: upright(images) for label, images in samples.items()}
gap = {label: edge_gap(images) for label, images in samples.items()}
seam = {label: kp.metrics.seam_ratio(images, N) for label, images in samples.items()}
print("             upright   edges   seams")
for label in samples:
    print(f"{label:12} {up[label]:7.0%} {gap[label]:7.1f} {seam[label]:7.2f}")

# %% [markdown]
# Position decides what is above and what is below: without it, a third of the images
# is upright, with GCC or without. GCC decides whether patches agree: without it, the
# edges of an image differ three times as much. (Without position they differ too, where
# sky meets ground.) Both together are the best in all three columns, and still have
# seams after this short training.

# %%
assert FAST or up["both"] > max(up["no position"], up["neither"])
assert FAST or gap["both"] < min(gap["no GCC"], gap["neither"])
assert FAST or seam["scenes"] < seam["both"]

# %% [markdown]
# ## Ask the network
#
# Samples show the result of many steps. A single call shows what the network does with
# an input. All four calls here have the *same* noisy patch and the same content: a
# scene at step 900, which is almost noise alone. Only the position differs. The network
# predicts sky for the upper patches and ground for the lower ones.

# %% alt="Light predictions as patches 0 and 1; dark ground as patches 2 and 3."
timestep = 900
alpha, sigma = (float(x) for x in schedule.alpha_sigma(timestep))
some = scenes[:SHOWN] / 127.5 - 1
noise = np.random.default_rng(1).normal(size=some.shape)
noisy = (alpha * some + sigma * noise).astype("float32")
contents = keras.ops.convert_to_numpy(grid.content(noisy))
patch = keras.ops.convert_to_numpy(grid.split(noisy))[0, 0]


def predict(indices, contents):
    """Clean patches, as the network with both inputs predicts them."""
    count = len(indices)
    inputs = {
        "noisy": np.repeat(patch[None], count, axis=0),
        "timestep": np.full(count, timestep, "int32"),
        "patch_index": np.asarray(indices, "int32"),
        "content": contents,
    }
    return keras.ops.convert_to_numpy(models["both"].network(inputs))


by_position = predict(range(N * N), np.repeat(contents[:1], N * N, axis=0))
show({"predicted": as_image(by_position)}, top=[f"as patch {k}" for k in range(N * N)])
light = by_position.mean(axis=(1, 2, 3))
print("brightness in [-1, 1]:", np.round(light, 2))
assert FAST or light[:2].min() > light[2:].max()

# %% [markdown]
# Now the position and the noisy patch are the same, and the content differs: it is that
# of ten scenes at the same step. To the eye it is noise. The predicted skies follow the
# colours of the scenes all the same, most of them faintly; the first is wrong.

# %% alt="Ten scenes; contents like noise; predicted skies, most in similar colours."
by_content = predict([0] * SHOWN, contents)
show(
    {
        "scene": scenes[:SHOWN],
        "its content": as_image(contents),
        "predicted": as_image(by_content),
    }
)
sky = keras.ops.convert_to_numpy(grid.split(some))[:, 0].mean(axis=(1, 2))
found = by_content.mean(axis=(1, 2))
agreement = np.corrcoef(
    (sky - sky.mean(axis=0)).ravel(), (found - found.mean(axis=0)).ravel()
)[0, 1]
print(f"correlation of the colours of sky and prediction: {agreement:.2f}")
assert FAST or agreement > 0.3

# %% [markdown]
# ## What they cost
#
# Weights: the position adds a vector for each patch, and the layer that reads it; the
# content adds three channels to the input of the first layer. Of this small network
# both together are 5 %.

# %%
weights = {label: model.network.count_params() for label, model in models.items()}
print(weights)
share = 1 - weights["neither"] / weights["both"]
print(f"{share:.1%} of the weights")
assert FAST or share < 0.05

# %% [markdown]
# ## What follows
#
# - Leave both on, which is the default of `GridPatching`.
# - The content is as noisy as the image, so in the first steps of a sampling patches
#   know little of each other. That is why seams need long training, and why a
#   [cascade](patches_that_belong_together.ipynb) conditions its patches on a clean
#   thumbnail.
# - Other ways to say where a patch is, and more ways to join patches:
#   [Seams: what was tried](../docs/seams.md).
