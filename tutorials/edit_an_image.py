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
# # Edit an image
#
# A diffusion model can also start from an image: change it, fill in a part of it,
# enlarge it, go from one image to another, or agree with a measurement of it. This
# tutorial does all five with the trained weights of the package, patch by patch. It
# takes under three minutes on two cores.

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

# With PATCHDPM_FAST=1, a run for testing, whose pictures are worse.
FAST = os.environ.get("PATCHDPM_FAST") == "1"
STEPS = 2 if FAST else 20
SEED = 3  # Of the face that is edited.


def show(images, title):
    """Draws a row of images."""
    figure, axes = plt.subplots(
        1, len(images), figsize=(1.4 * len(images), 1.75), layout="constrained"
    )
    for axis, image in zip(axes, images, strict=True):
        axis.imshow(image, interpolation="nearest")
        axis.axis("off")
    figure.suptitle(title, fontsize=9)
    plt.show()


# %% [markdown]
# ## The image
#
# `faces128` is a cascade: the network generates a thumbnail of 32 x 32 pixels, then the
# detail of 64 x 64 pixels in 2 x 2 patches. Every network call is one patch of 32 x 32
# pixels. `model.sampler` has the settings that the preset was published with.

# %%
model = kp.PatchDPM.from_preset("faces128")
sampler = model.sampler(model.tiled(2), steps=STEPS)
(face,) = sampler(1, seed=SEED)
print(face.shape, face.dtype, sampler)

# %% [markdown]
# ## Change it
#
# `init_images` are covered with noise, and the last `strength` of the steps remove it
# (SDEdit, Meng et al. 2021). Little noise leaves the face as it is. With much noise it
# becomes another face.

# %% alt="A face, and four changed ones: the same woman, until the last is a man."
strengths = (0.2, 0.4, 0.6, 0.8)
changed = [sampler(1, 1, init_images=face[None], strength=s)[0] for s in strengths]
show([face, *changed], f"The face; changed with strength {strengths}")
apart = [np.abs(image.astype(float) - face).mean() for image in changed]
print("mean difference from the face:", np.round(apart, 1))
assert apart[0] < apart[-1]

# %% [markdown]
# ## Fill in a part
#
# With a `mask`, the pixels where it is true are generated. The others stay as they are,
# to the last bit. `repeats` makes each step several times, so that the new pixels fit
# the old ones (RePaint, Lugmayr et al. 2022).

# %% alt="A face, a grey box over nose and mouth, three new noses and mouths."
mask = np.zeros((64, 64), bool)
mask[30:56, 14:50] = True  # Nose and mouth.
holes = np.where(mask[..., None], np.uint8(128), face)
repeats = 1 if FAST else 3
filled = sampler(3, 5, init_images=face[None], mask=mask, repeats=repeats)
show([face, holes, *filled], "The face; the hole; filled in with three seeds")
assert all(np.array_equal(image[~mask], face[~mask]) for image in filled)
assert np.abs(filled[0][mask].astype(float) - face[mask]).mean() > 1

# %% [markdown]
# ## Enlarge it
#
# A cascade accepts the images of an earlier stage as `thumbnails`. At N = 4, the image
# of 64 x 64 pixels becomes one of 128 x 128 in 16 patches, and no network call is
# larger than before. The detail is generated: another seed gives other hair.

# %% alt="A face of 64 pixels, blurred at 128 pixels, and sharp at 128 pixels."
larger = model.sampler(model.tiled(4), steps=2 if FAST else 12)
(enlarged,) = larger(1, 0, thumbnails=face[None])
blurred = keras.ops.image.resize(
    face[None].astype("float32"), (128, 128), interpolation="bicubic"
)
blurred = np.clip(keras.ops.convert_to_numpy(blurred)[0], 0, 255).astype("uint8")
show([face, blurred, enlarged], "64 x 64; bicubic, 128 x 128; enlarged")
averaged = enlarged.reshape(64, 2, 64, 2, 3).mean(axis=(1, 3))
error = np.abs(averaged - face).mean()
print(f"the enlarged face, averaged to 64 x 64: mean difference {error:.1f} of 255")
assert error < (128 if FAST else 8)

# %% [markdown]
# ## From one image to another
#
# `draw_noise` returns the noise that a seed starts from, and `kp.slerp` is the noise in
# between. The solver must add no noise; that of the preset, `dpmpp_2m`, adds none.

# %% alt="Six faces, from a woman with long hair to a man in a black suit."
one, other = sampler.draw_noise(1, SEED), sampler.draw_noise(1, 12)
between = kp.slerp(one, other, np.linspace(0, 1, 3 if FAST else 6))
path = sampler(len(between[0]), SEED, noise=between)
show(path, "From one face to another")
np.testing.assert_allclose(path[0].astype(float), face, atol=2)

# %% [markdown]
# ## Agree with a measurement
#
# A `kp.Measurement` is a function of the image and the values that it must have. Here
# the function is the mean of the three colour channels, so the sampling adds colours to
# a grey photograph (diffusion posterior sampling, Chung et al. 2022). Any
# differentiable function of `keras.ops` serves. The gradient is computed patch by
# patch.


# %% alt="A face, the same in grey, and three colourings of it that differ."
def grey(images):
    """The brightness of each pixel, in [-1, 1]."""
    return keras.ops.mean(images, axis=-1)


photograph = face.mean(axis=-1) / 127.5 - 1
measurement = kp.Measurement(grey, photograph[None], noise=0.05)
coloured = sampler(3, 1, measurement=measurement)
shown = np.repeat(face.mean(axis=-1, keepdims=True).astype("uint8"), 3, axis=-1)
show([face, shown, *coloured], "The face; in grey; coloured with three seeds")
misfit = np.abs(coloured.mean(axis=-1) - face.mean(axis=-1)).mean()
unrelated = np.abs(sampler(1, 1).mean(axis=-1) - face.mean(axis=-1)).mean()
print(f"mean difference in grey: {misfit:.1f} of 255; of another face: {unrelated:.1f}")
assert misfit < (unrelated if FAST else unrelated / 4)

# %% [markdown]
# ## What to know
#
# - Image k of a call depends on the seed and k alone, whatever the batch. Budgets and
#   checkpoints work as in any sampling.
# - A model of faces makes a face of everything. For other images, train on such images.
# - A measurement takes about four times as long as a sampling without one, and needs
#   the memory of a gradient: `kp.memory.plan(model, "300MB", gradients=True)` counts
#   it.
