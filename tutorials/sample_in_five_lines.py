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
# # Sample in five lines
#
# The package contains trained weights. Five lines generate images with them, patch by
# patch, on TensorFlow, JAX or PyTorch, whichever is installed. This tutorial shows what
# the arguments of `kp.sample` do. It takes under two minutes on two cores.

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

# %% alt="Four generated faces of 64 x 64 pixels in a row: three women, one man."
import matplotlib.pyplot as plt
import numpy as np

import keras_patchdpm as kp

plt.imshow(np.hstack(kp.sample(n=2, num_images=4)))
plt.show()

# %% [markdown]
# These are the first four images of seed 0, unselected. They show nobody: the network
# was trained on portraits and generates new faces.
#
# If several backends are installed, set the environment variable `KERAS_BACKEND` to
# `tensorflow`, `jax` or `torch` before the import.

# %%
import os
import pathlib
import subprocess
import sys
import tempfile

import PIL.Image

# With PATCHDPM_FAST=1, a run for testing, whose pictures are worse.
FAST = os.environ.get("PATCHDPM_FAST") == "1"


def show(images, titles):
    """Draws a row of images, the larger ones in more detail."""
    figure, axes = plt.subplots(
        1, len(images), figsize=(1.7 * len(images), 2), layout="constrained"
    )
    for axis, image, title in zip(np.atleast_1d(axes), images, titles, strict=True):
        axis.imshow(image, interpolation="nearest")
        axis.set_title(title, fontsize=9)
        axis.axis("off")
    plt.show()


# %% [markdown]
# ## What n means
#
# `n` is the number of patches per side. The weights are those of a cascade: n = 1, 2
# and 4 give images of 32, 64 and 128 pixels. The network generates the thumbnail of 32
# x 32 pixels first, then adds detail in 2 x 2 patches, then in 4 x 4 patches. Every
# network call is one patch of 32 x 32 pixels, so a larger image needs more calls but
# hardly more memory.

# %% alt="One face at 32, 64 and 128 pixels. Each larger image has more detail."
SIZES = {1: 32} if FAST else {1: 32, 2: 64, 4: 128}
SEED = 11
faces = {n: kp.sample(n, num_images=1, seed=SEED)[0] for n in SIZES}
show(faces.values(), [f"n = {n}: {size} x {size} pixels" for n, size in SIZES.items()])

model = kp.PatchDPM.from_preset("faces128")
patch = model.network.input["noisy"].shape[1:]
print("the network's patch:", patch)
assert patch == (32, 32, 3)
assert all(face.shape == (SIZES[n], SIZES[n], 3) for n, face in faces.items())

# %% [markdown]
# The larger images are the same face, because a seed gives the same thumbnail at every
# n. Averaged to 32 x 32 pixels, they differ little from it.

# %%
for n, face in faces.items():
    averaged = face.reshape(32, n, 32, n, 3).mean(axis=(1, 3))
    apart = np.abs(averaged - faces[1]).mean()
    print(f"n = {n}: mean difference from the thumbnail {apart:.1f} of 255")
    assert apart < 16

# %% [markdown]
# An image at n = 4 needs 720 network calls, one at n = 1 needs 40 (20 of them by a
# smaller network, which guides the thumbnail). On a CPU use n = 4 for a few images
# only.
#
# ## Seeds
#
# Image k depends on the seed and on k alone. It does not depend on how many images you
# ask for, so several processes can share a large sampling: each generates its own
# `indices`.

# %% alt="Eight faces of 32 x 32 pixels in a row."
COUNT = 2 if FAST else 8
thumbnails = kp.sample(n=1, num_images=COUNT, seed=5)
show(thumbnails, [f"k = {k}" for k in range(COUNT)])
last = kp.sample(n=1, seed=5, indices=[COUNT - 1])[0]
difference = np.abs(last.astype(int) - thumbnails[-1]).max()
print(f"k = {COUNT - 1}, generated alone: largest difference {difference} of 255")
assert difference <= 1  # A batch of another size may round differently.
assert np.abs(last.astype(int) - thumbnails[0]).max() > 50

# %% [markdown]
# ## Steps
#
# Each step removes a part of the noise. The time of a sampling is proportional to the
# number of steps. The default, 20, is that of the model card. Fewer steps give pale
# images with less detail. The more steps, the less each further one changes.
#
# `kp.sample` reads the weights in every call. For many calls, keep the model:
# `model.sampler` has the settings of the preset, and is compiled once.

# %% alt="The same face after 2, 5, 10, 20 and 40 steps; the first is pale and blurred."
STEPS = (1, 2) if FAST else (2, 5, 10, 20, 40)
small = model.tiled(1)
sampled = [model.sampler(small, steps=steps)(1, SEED)[0] for steps in STEPS]
show(sampled, [f"{steps} steps" for steps in STEPS])
apart = [np.abs(image.astype(float) - sampled[-1]).mean() for image in sampled]
print(f"mean difference from {STEPS[-1]} steps:", np.round(apart, 1))
if not FAST:
    assert apart[0] > apart[1] > apart[2] > apart[3]
    # 20 steps are the default of `kp.sample`.
    assert np.abs(sampled[3].astype(int) - faces[1]).max() <= 1

# %% [markdown]
# ## Save the images
#
# `kp.save_images` writes one picture of all images. For one file each, call it with one
# image at a time. PNG keeps every bit.

# %%
folder = pathlib.Path(tempfile.mkdtemp())
kp.save_images(thumbnails, folder / "all.png")
for k, image in enumerate(thumbnails):
    kp.save_images(image[None], folder / f"face_{k}.png")

print(sorted(path.name for path in folder.iterdir()))
with PIL.Image.open(folder / "face_1.png") as picture:
    assert np.array_equal(np.asarray(picture), thumbnails[1])

# %% [markdown]
# ## The command line
#
# The same images without Python code. `python -m keras_patchdpm sample --help` lists
# all options.

# %%
options = f"sample --n 1 --num-images {COUNT} --seed 5 --out {folder}/again.png"
print("python -m keras_patchdpm", options.replace(f"{folder}/", ""))
if not FAST:
    command = [sys.executable, "-m", "keras_patchdpm", *options.split()]
    subprocess.run(command, check=True, capture_output=True)
    pictures = [PIL.Image.open(folder / name) for name in ("all.png", "again.png")]
    first, again = (np.asarray(picture).astype(int) for picture in pictures)
    assert np.abs(first - again).max() <= 1

# %% [markdown]
# ## Presets, and their licence
#
# A preset is a folder with the weights of a model and the settings for its sampling.
# `kp.PatchDPM.presets()` lists those of the package. Without the argument `preset`,
# `kp.sample` uses the first one that can be sampled in n x n patches.

# %%
for preset in kp.PatchDPM.presets():
    print(f"{preset['name']}: n = {preset['n']}, {preset['bytes'] / 1e6:.1f} MB")
    print(f"    licence: {preset['licence']}")
    assert "non-commercial research only" in preset["licence"]

# %% [markdown]
# The code is under Apache-2.0. **The weights are not**: they were trained on CelebA,
# which may be used for non-commercial research only, and so may these weights. The
# [model cards](../docs/presets.md) say how they were trained, and what is wrong with
# the images.
#
# ## What it cannot do
#
# - **Nothing but faces.** For other images, train on your own, and pass the folder:
#   `kp.sample(preset="runs/photos/preset")`.
# - **No prompts.** These weights know neither text nor labels.
# - **Nothing above 128 x 128 pixels.** There are no weights for n = 8. The error lists
#   what there is:

# %%
try:
    kp.sample(n=8)
except ValueError as error:
    refused = str(error)
print(refused)
assert "no trained model for this `n`" in refused and "faces128" in refused

# %% [markdown]
# - **Not every face is good.** At 128 pixels about one in five has eyes that do not
#   match, a smeared mouth or a second outline. The training images are celebrities,
#   mostly young and light-skinned, and the samples share that bias.
# - **No other styles by seed.** A seed chooses an image; it cannot be asked for a
#   property. To change or fill in an image: [edit an image](edit_an_image.ipynb).
#
# To sample within a limit of memory: [the memory budget](memory_budget.ipynb).
