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
# # Train a patch DPM in ten minutes
#
# A diffusion model (DPM) learns to remove noise from images. It generates new images
# from noise alone. Its network holds the activations of a whole image in memory. A
# *patch* DPM ([Arakawa et al. 2023](https://arxiv.org/abs/2304.07087)) divides the
# image into N x N patches. Its network sees one patch at a time, so its activations
# fall as 1/N².
#
# Independent patches would not fit together. Two inputs make them fit, and this page
# shows the effect of each:
#
# - **position**: the position of the patch in the image;
# - **global content conditioning (GCC)**: the whole noisy image, pooled to the size of
#   the patch.
#
# Everything runs on a laptop without a GPU and without a download. It takes under five
# minutes on two cores. Each step below states a fact. The code under it shows the fact,
# and fails if the fact is false.

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
import time

os.environ.setdefault("KERAS_BACKEND", "tensorflow")  # Or "jax", or "torch".
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import keras
import matplotlib.pyplot as plt
import numpy as np

import keras_patchdpm as kp

# With PATCHDPM_FAST=1 in the environment, a run of a minute that learns next to
# nothing: for testing. Facts about trained models are not checked then.
FAST = os.environ.get("PATCHDPM_FAST") == "1"

N = 2  # The paper's N: patches per side.
IMAGES, EPOCHS, WIDTH, STEPS = (256, 2, 16, 4) if FAST else (4096, 12, 32, 50)
BATCH, SHOWN, SAMPLES = 32, 10, 10 if FAST else 64

# %% [markdown]
# ## Scenes to learn from
#
# The package draws the scenes. Each has **one colour theme**: the sky has a hue and the
# ground the opposite hue. The ground is **below the sky**, with one straight line from
# edge to edge. Each scene also has a house and a sun.


# %% alt="Twenty scenes: a house under a sun, with sky and ground in one colour."
def show(rows):
    """Shows rows of images, with a label each."""
    figure, axes = plt.subplots(
        len(rows), SHOWN, figsize=(SHOWN, 1.05 * len(rows)), squeeze=False
    )
    for line, (label, images) in zip(axes, rows.items(), strict=True):
        for axis, image in zip(line, images[:SHOWN], strict=True):
            axis.imshow(image, interpolation="nearest")
            axis.set(xticks=[], yticks=[])
        line[0].set_ylabel(label, rotation=0, ha="right", va="center")
    figure.tight_layout(pad=0.3)
    plt.show()


scenes = kp.datasets.synthetic_scenes(IMAGES, image_size=32, seed=0)
show({"scenes": scenes, "more": scenes[SHOWN:]})

# %% [markdown]
# Two numbers measure whether an image is such a scene. In every scene the ground is
# darker than the sky in all corners, and the left edge is equal to the right edge.


# %%
def upright(images):
    """Share of images whose upper corners are all brighter than the lower ones."""
    corners = images[:, [0, -1]][:, :, [0, -1]].mean(axis=-1)
    return float(np.mean(corners[:, 0].min(axis=-1) > corners[:, 1].max(axis=-1)))


def edge_gap(images):
    """Mean difference between the left and the right edge, of 255."""
    left, right = images[:, :, 0].astype("float32"), images[:, :, -1]
    return float(np.abs(left - right).mean())


assert upright(scenes) == 1.0
assert edge_gap(scenes) == 0.0

# %% [markdown]
# ## What the network sees
#
# `PatchGrid` defines the patches. `split` divides an image into patches, row by row
# from the top left. `merge` joins them again, bit for bit.

# %% alt="The four patches of ten scenes: two with sky, two with ground."
grid = kp.PatchGrid(N)
patches = keras.ops.convert_to_numpy(grid.split(scenes[:SHOWN]))
assert patches.shape == (SHOWN, N * N, 32 // N, 32 // N, 3)
assert np.array_equal(grid.merge(patches), scenes[:SHOWN])
show({f"patch {index}": patches[:, index] for index in range(N * N)})

# %% [markdown]
# With each patch the network receives the pooled image, `grid.content`, which has the
# size of one patch. It is computed from the *noisy* image. Each of its pixels is the
# mean of N x N noisy pixels, which leaves 1/N of the noise. So the content shows the
# layout of an image while noise still hides the patches.

# %% alt="Ten images of noise; pooled, the ground is a little darker than the sky."
clean = scenes[:SHOWN] / 127.5 - 1
noise = np.random.default_rng(0).normal(size=clean.shape)
noisy = 0.5 * clean + np.sqrt(0.75) * noise
content = keras.ops.convert_to_numpy(grid.content(noisy))
assert content.shape == patches[:, 0].shape

left_over = float(keras.ops.std(grid.content(noise)))
print(f"noise of the pixels {noise.std():.2f}, of the pooled image {left_over:.2f}")
assert abs(left_over - noise.std() / N) < 0.02


def as_image(x):
    return np.clip(x / 2 + 0.5, 0, 1)


show({"noisy": as_image(noisy), "its content": as_image(content)})

# %% [markdown]
# ## The model
#
# A model combines three parts. The *patching* defines what the network sees. The
# *schedule* defines the noise levels and what the network predicts. The *network* is
# any functional Keras model. This network has four named inputs: the noisy patch, the
# noise level, the index of the patch and the content.
#
# The network of Arakawa et al. predicts the noise (`prediction="noise"`). This network
# predicts the clean image, which gives good samples of simple scenes in a few minutes.


# %%
def make_model(patching):
    """A `PatchDPM`, compiled, for images of 32 x 32 pixels."""
    keras.utils.set_random_seed(0)
    network = kp.networks.unet(
        image_size=32,
        patching=patching,
        width=WIDTH,
        multipliers=(1, 2),
        blocks_per_depth=1,
        attention_depths=(1,),
        stem=2,  # 2 x 2 pixels go into the channels first: four times cheaper.
    )
    schedule = kp.DDPMSchedule("cosine", prediction="clean")
    model = kp.PatchDPM(network, schedule, patching)
    learning_rate = keras.optimizers.schedules.CosineDecay(
        2e-3, EPOCHS * IMAGES // BATCH
    )
    # Samples are best with an average of the weights over the last few hundred steps.
    # After `fit`, Keras leaves that average in the model.
    model.compile(
        keras.optimizers.Adam(learning_rate, use_ema=True, ema_momentum=0.995)
    )
    return model


model = make_model(kp.GridPatching(N))
shapes = {name: tuple(x.shape[1:]) for name, x in model.network.input.items()}
print(shapes, f"{model.network.count_params():,} weights")
assert shapes == {
    "noisy": (32 // N, 32 // N, 3),
    "timestep": (),
    "patch_index": (),
    "content": (32 // N, 32 // N, 3),
}

# %% [markdown]
# ## Before training
#
# `PatchSampler` generates images from noise. DDIM needs 50 steps instead of the
# schedule's 1000. Before training the network predicts the same clean image for every
# input: grey.


# %%
def make_samples(model, num_images):
    """Images made from noise, the same noise for every model."""
    sampler = kp.PatchSampler(
        model, solver="ddim", steps=STEPS, patches_per_call=model.tiled().num_patches
    )
    return sampler(num_images=num_images, seed=0, batch_size=num_images)


before = make_samples(model, SHOWN)
assert before.shape == (SHOWN, 32, 32, 3)
assert before.dtype == "uint8"
assert before.std() < 1

# %% [markdown]
# ## Training
#
# `fit` is Keras' own. Each step draws one timestep and one noise for each *whole* image
# and adds the noise. Then it cuts one random patch and computes the content. The loss
# falls.

# %%
history = model.fit(scenes, batch_size=BATCH, epochs=EPOCHS, verbose=2)
losses = history.history["loss"]
assert losses[-1] < losses[0]

# %% [markdown]
# After training, samples are scenes: sky above ground, in one theme. The pooled image
# shows little of how a house continues in the next patch; that takes longer to learn.

# %% alt="Before training grey images; after it scenes whose houses are cut."
after = make_samples(model, SAMPLES)
show({"before": before, "after": after, "real": scenes})
print(f"upright {upright(after):.0%}, gap between the edges {edge_gap(after):.0f}")
assert FAST or upright(after) > 0.9
assert FAST or edge_gap(after) < 25

# %% [markdown]
# `patches_per_call` changes only the memory and the speed: the images are the same.
# (A rounding difference of 1 in `uint8` is allowed.)

# %%
one_by_one = kp.PatchSampler(model, solver="ddim", steps=4, patches_per_call=1)
together = kp.PatchSampler(model, solver="ddim", steps=4, patches_per_call=N * N)
pair = [sampler(4, seed=1).astype("int32") for sampler in (one_by_one, together)]
assert np.abs(pair[0] - pair[1]).max() <= 1

# %% [markdown]
# ## The effect of position and GCC
#
# The same training, with one of the two inputs switched off.
#
# - **Without position** the network cannot know whether a patch is at the top or at the
#   bottom: ground appears above sky.
# - **Without GCC** the network knows the position of a patch, but not the other
#   patches: each patch has its own theme, and the edges differ.

# %% alt="Samples: no position mixes sky and ground, no GCC mixes the colours."
samples = {"full": after}
for label, patching in {
    "no position": kp.GridPatching(N, position=False),
    "no GCC": kp.GridPatching(N, content=False),
}.items():
    ablated = make_model(patching)
    history = ablated.fit(scenes, batch_size=BATCH, epochs=EPOCHS, verbose=0)
    samples[label] = make_samples(ablated, SAMPLES)
    print(f"{label}: loss {history.history['loss'][-1]:.4f}, full {losses[-1]:.4f}")

show(samples)

# %%
print("               upright   gap between edges")
for label, images in {"real": scenes, **samples}.items():
    print(f"{label:13} {upright(images):8.0%} {edge_gap(images):19.1f}")

assert FAST or upright(samples["no position"]) < 0.7 < upright(after)
assert FAST or edge_gap(samples["no GCC"]) > 2 * edge_gap(after)

# %% [markdown]
# ## Seams
#
# `seam_ratio` is the mean step between pixels across the borders between patches,
# divided by the mean step elsewhere. Compare it with that of the real images, whose
# house and sun are on the borders. Samples of this short training have seams. Without
# position or GCC the seams are worse.

# %%
seams = {
    label: kp.metrics.seam_ratio(images, N)
    for label, images in {"real": scenes, **samples}.items()
}
for label, ratio in seams.items():
    print(f"{label:13} {ratio:5.2f}")

assert FAST or seams["real"] < seams["full"]
assert FAST or seams["full"] < min(seams["no position"], seams["no GCC"])

# %% [markdown]
# ## Memory
#
# The activations fall as 1/N²; the weights stay the same. Both are measured for images
# of 128 x 128 pixels, one patch at a time. The table says how. Training makes no
# difference.

# %%
reports = []
for divisions in (1, 2, 4):
    patching = kp.GridPatching(divisions)
    network = kp.networks.unet(128, patching, width=32, attention_depths=(), stem=2)
    reports.append(kp.memory.profile(network, batch_size=4, divisions=divisions))

print(kp.memory.table(reports))
whole, halves, quarters = (report.activations for report in reports)
assert halves < 0.35 * whole
assert quarters < 0.15 * whole

# %% [markdown]
# ## Next steps
#
# - Your own pictures: `kp.datasets.load_images("folder/", image_size=64)`, or
#   `python -m keras_patchdpm train --help`.
# - Sharper samples: more epochs, `width=64`, `stem=1`.
# - The original sampler: `kp.PatchSampler(model, solver="ddpm")`, all 1000 steps.
# - A larger N: `kp.GridPatching(4)`, on larger images.
# - `model.save("scenes.keras")` saves the model; `keras.saving.load_model` reads it, on
#   any backend.

# %%
print(f"{time.process_time() / 60:.1f} minutes of processor time")
