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
# # Train on your own folder
#
# From a folder of pictures to a model that generates such pictures: read the folder,
# train, stop and resume, sample, measure, save. The model is a cascade: it generates a
# thumbnail first, then the image in 2 x 2 patches.
#
# So that nothing is downloaded, this page writes the folder itself, with drawn scenes
# and the flaws that real folders have. For your own pictures, change the path and the
# sizes: the last section says how. It takes under five minutes on two cores.

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

import _thread
import contextlib
import csv
import io
import pathlib
import subprocess
import sys
import tempfile
import threading
import warnings

import matplotlib.pyplot as plt
import numpy as np
from PIL import Image

import keras_patchdpm as kp

# With PATCHDPM_FAST=1, a run for testing, that learns next to nothing.
FAST = os.environ.get("PATCHDPM_FAST") == "1"
IMAGES, EPOCHS, STEPS_PER_EPOCH = (128, 4, 5) if FAST else (4096, 8, 250)
WIDTH, MULTIPLIERS, STEPS = (8, [1], 2) if FAST else (32, [1, 2], 30)
SHOWN, SAMPLES = 10, 20 if FAST else 120

os.chdir(tempfile.mkdtemp())  # `photos/` and `runs/` are written here.


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


# %% [markdown]
# ## A folder
#
# The folders in `photos/` are the classes: scenes with a blue sky, and with another
# one. Half of the files are PNG, half are JPEG, all of 48 x 40 pixels.

# %%
folder = pathlib.Path("photos")
for name in ("blue", "other"):
    (folder / name).mkdir(parents=True)
scenes = kp.datasets.synthetic_scenes(IMAGES, image_size=(40, 48), seed=0)
blue = scenes[:, 0, 0].argmax(axis=-1) == 2  # The strongest channel of a corner.
for number, (scene, is_blue) in enumerate(zip(scenes, blue, strict=True)):
    name = f"{number:04}.{'jpg' if number % 2 else 'png'}"
    path = folder / ("blue" if is_blue else "other") / name
    Image.fromarray(scene).save(path, quality=95)

# %% [markdown]
# Real folders also have files that are broken, or unlike the others:

# %%
(large,) = kp.datasets.synthetic_scenes(1, image_size=(300, 400), seed=1)
large = Image.fromarray(large)
large.save(folder / "other" / "large.jpg", quality=95)
large.convert("L").save(folder / "other" / "grey.png")
large.resize((24, 20)).save(folder / "other" / "icon.png")
large.save(folder / "cover.png")  # In no class.
whole = (folder / "other" / "grey.png").read_bytes()
(folder / "other" / "half.png").write_bytes(whole[: len(whole) // 2])
(folder / "other" / "notes.txt").write_text("Which camera was this?")
print(sum(path.is_file() for path in folder.rglob("*")), "files")

# %% [markdown]
# ## Read it
#
# `ImageFolder` crops the middle of each image to the aspect ratio of `image_size` and
# resizes it. What it cannot use, it skips and lists in one warning. With `cache` the
# images are decoded once, which also detects files that break off in the middle.
# Without it, each image is decoded when a batch needs it.

# %%
with warnings.catch_warnings(record=True) as caught:
    warnings.simplefilter("always")
    photos = kp.datasets.ImageFolder(
        folder, image_size=32, labels="folders", cache="runs/images"
    )
print(caught[0].message)
print(photos, photos.class_names, np.bincount(photos.labels))

skipped = ("cover.png", "half.png", "icon.png", "notes.txt")
assert all(name in str(caught[0].message) for name in skipped)
assert photos.shape == (IMAGES + 2, 32, 32, 3)
assert np.array_equal(np.bincount(photos.labels), [blue.sum(), (~blue).sum() + 2])

# %% [markdown]
# Look at what the network will see. The large image was shrunk, and the grey one
# stays, in grey. If you do not want grey samples, move such files out of the folder.

# %% alt="Ten scenes with blue skies, ten with other skies; one of these is grey."
rows = {}
for label, name in enumerate(photos.class_names):
    (members,) = np.nonzero(photos.labels == label)
    rows[name] = photos[members[-SHOWN:]]
show(rows)
assert [pathlib.Path(name).name for name in photos.names[-2:]] == [
    "grey.png",
    "large.jpg",
]
colour = [np.ptp(photos[len(photos) - k], axis=-1).max() for k in (2, 1)]
assert colour[0] == 0 < colour[1]

# %% [markdown]
# ## Train
#
# The model is described by a dict, which is saved with the weights. `detail_scales`
# measures how much detail the patches add to the thumbnail in these pictures.
# `num_classes` conditions the network on the class.

# %%
N = 2  # Patches per side.
scales = kp.patching.detail_scales(photos[::8], N)
config = {
    "network": {
        "name": "unet",
        "image_size": 32,
        "width": WIDTH,
        "multipliers": MULTIPLIERS,
        "blocks_per_depth": 1,
        "stem": 2 if FAST else 1,
        "num_classes": len(photos.class_names),
    },
    "schedule": {
        "name": "DDPMSchedule",
        "prediction": "velocity",
        "logit_normal_share": 0.5,  # Half of the noise levels are near SNR 1.
    },
    "patching": {"name": "CascadePatching", "divisions": N, "detail_scale": scales},
}
settings = kp.training.TrainingSettings(
    batch_size=32,
    learning_rate=2e-3,
    cooldown=0.5,  # The learning rate falls to 0 in the second half.
    steps_per_epoch=STEPS_PER_EPOCH,  # A backup is written after each epoch.
    precision="float32",  # On a GPU leave it out: half precision is faster there.
)


def train():
    """Trains in `runs/photos`, or resumes the training that is there.

    It prints how far it is every ten seconds: here are the first and the last line.
    """
    printed = io.StringIO()
    try:
        with contextlib.redirect_stdout(printed):
            return kp.training.train(
                config, photos, "runs/photos", epochs=EPOCHS, settings=settings
            )
    finally:
        lines = printed.getvalue().splitlines()
        print(lines[0], "...", lines[-1], sep="\n")


# %% [markdown]
# Trainings get interrupted. Here a thread presses the stop button after the first
# epoch, as you might. A power cut would do no more harm.


# %%
def press_stop(ended):
    """Interrupts this notebook as soon as there is a backup."""
    while not ended.wait(0.01):
        if pathlib.Path("runs/photos/backup/epoch-000001").exists():
            _thread.interrupt_main()
            return


ended = threading.Event()
finger = threading.Thread(target=press_stop, args=(ended,))
finger.start()
stopped = False
try:
    train()
except KeyboardInterrupt:
    stopped = True
ended.set()
finger.join()
print("stopped by the button:", stopped)
assert FAST or stopped  # The fast run may end before the button is pressed.

# %% [markdown]
# The same call resumes after the last complete epoch, and its result is the same as
# without the stop.

# %%
model = train()

# %% [markdown]
# The folder now has the backups, the curve of the loss, the settings, and two presets:
# the trained model, and an early state of it.

# %% alt="The loss falls with every epoch, fast at first, then slowly."
with open("runs/photos/curve.csv") as file:
    losses = [float(row["loss"]) for row in csv.DictReader(file)]
print(*sorted(path.name for path in pathlib.Path("runs/photos").glob("[!.]*")))
figure, axis = plt.subplots(figsize=(5, 2.5), layout="constrained")
axis.plot(range(1, EPOCHS + 1), losses, marker=".")
axis.set(xlabel="epoch", ylabel="loss", yscale="log")
plt.show()
assert len(losses) == EPOCHS
assert FAST or losses[-1] < losses[0]

# %% [markdown]
# ## Sample
#
# The preset is the trained model. `labels` chooses the class of each sample. The images
# below are not selected. Each has one whole house, and no borders show. Most have one
# sun; some are behind the house. Three images have two suns, and a few have none.

# %% alt="Ten scenes with blue skies, ten with others; whole houses, most with a sun."
model = kp.PatchDPM.from_preset("runs/photos/preset")
sampler = model.sampler(solver="ddim", steps=STEPS, patches_per_call=4)
labels = np.arange(SAMPLES) % 2
samples = sampler(SAMPLES, labels=labels, batch_size=50)
show({name: samples[labels == k] for k, name in enumerate(photos.class_names)})

right = (samples[:, 0, 0].argmax(axis=-1) == 2) == (labels == 0)
print(f"{right.mean():.0%} of the samples have the sky of their class")
assert FAST or right.mean() > 0.8

# %% [markdown]
# ## Measure
#
# Numbers say more than ten pictures. Each is compared with its reference value: the
# same number for real images.
#
# - **Seam ratio**: how visible the border between the patches is.
# - **Kernel distance** of the features of MobileNetV2, which is in the package: 0 if
#   samples and real images have the same distribution. That of other real images is
#   near 0; that of the samples is not, since suns are missing or doubled.
# - **Copies**: the share of samples that are training images.

# %%
real, others = photos[:: len(photos) // SAMPLES], photos[3 :: len(photos) // SAMPLES]
seams = [kp.metrics.seam_ratio(images, N) for images in (samples, real)]
print(f"seam ratio {seams[0]:.2f}, real images {seams[1]:.2f}")
assert FAST or abs(seams[0] / seams[1] - 1) < 0.25

# %%
if not FAST:
    extractor = kp.metrics.load_extractor("mobilenet_v2")
    reference = kp.metrics.statistics(real, extractor, source="photos")
    for label, images in {"samples": samples, "other photos": others}.items():
        found = kp.metrics.statistics(images, extractor, source=label)
        distance = kp.metrics.kernel_distance(found, reference)
        print(f"{label}: kernel distance {distance.value:.3f}")

# %%
share = kp.metrics.copies(samples, photos[:])
print(f"copies {share:.1%}")
assert FAST or share < 0.05

# %% [markdown]
# ## Save and share
#
# `set_sampling` stores how the model is sampled best. A preset is a folder of three
# files, which needs no code to be loaded. `"hf://user/name"` in place of the folder
# writes it to the Hugging Face hub.

# %%
model.set_sampling(solver="ddim", steps=STEPS)
model.save_to_preset("runs/scenes", card="Drawn scenes, by class of their sky.")
for path in sorted(pathlib.Path("runs/scenes").iterdir()):
    print(f"{path.name:20} {path.stat().st_size / 1e6:.1f} MB")

sampler = kp.PatchDPM.from_preset("runs/scenes").sampler()
print(sampler)
assert len(sampler.levels) == STEPS + 1

# %% [markdown]
# ## The same from a terminal
#
# Two commands, without a line of Python. `train` here makes no more than a few steps,
# to show the command. It has no classes: all images of the folder are one.


# %%
def run(arguments):
    """Runs a command of the package and prints the last line that it prints."""
    print("$ python -m keras_patchdpm", arguments)
    if FAST:
        return
    command = [sys.executable, "-m", "keras_patchdpm", *arguments.split()]
    ended = subprocess.run(command, check=True, capture_output=True, text=True)
    print(ended.stdout.splitlines()[-1], "", sep="\n")


small = "--image-size 32 --width 16 --multipliers 1 2 --batch-size 32"
short = "--epochs 1 --steps-per-epoch 10 --precision float32"
run(f"train --data photos --n 2 {small} {short} --out runs/short")
run("sample --preset runs/photos/preset --num-images 4 --steps 30 --out four.png")
assert FAST or pathlib.Path("runs/short/preset/config.json").exists()
assert FAST or pathlib.Path("four.png").exists()

# %% [markdown]
# ## With your own photographs
#
# Leave out all of `small` and `short`, and say how long you can wait:
#
# ```bash
# python -m keras_patchdpm train --data photos/ --image-size 64 --n 2 \
#     --minutes 90 --out runs/photos
# ```
#
# | | here | photographs |
# | --- | --- | --- |
# | images | 4096 | thousands of one subject; for fewer see below |
# | `image_size` | 32 | 64, or 128 with N = 4 |
# | `width` | 32 | 64 (the default) or more |
# | `multipliers`, `blocks_per_depth` | fewer | leave them out |
# | `stem` | 1 | 2: a network call costs about a fourth |
# | `precision` | `"float32"` | on a GPU leave it out |
# | steps | 2000 | many more: see below |
#
# - `image_size / N` is the size of what the network sees: 32 pixels or more.
# - This page trains on 16 million pixels of patches.
#   [Seams: what was tried](../docs/seams.md) shows faces of 64 pixels after 800
#   million. `faces128` in the package saw forty times as many, in nine minutes of an
#   H200.
# - The model may copy a few hundred images.
#   [An augmentation](../docs/data.md#few-images) helps. Always compute `copies`.
# - Everything about folders: [Your own pictures](../docs/data.md).
# - What fits into your GPU: [Fit your images into your GPU](../docs/fit_your_gpu.md).
# - Your own callbacks in `model.fit`: [Callbacks](callbacks.ipynb).
