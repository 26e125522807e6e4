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
# # Reproduce: quality by N, and the ablation (Table 1 and Fig. 4)
#
# [Arakawa et al. 2023](https://arxiv.org/abs/2304.07087) compare images that are
# generated whole with images in 2 x 2, 4 x 4 and 8 x 8 patches (Table 1), and show what
# the images lose without position and without global content conditioning. This page
# does both in short trainings on drawn scenes, and shows the results of longer ones on
# faces.
#
# The short form takes under nine minutes on two cores, most of which are compilations.

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
import json
import os
import pathlib

os.environ.setdefault("KERAS_BACKEND", "tensorflow")  # Or "jax", or "torch".
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import keras
import matplotlib.pyplot as plt

import keras_patchdpm as kp

# With PATCHDPM_FAST=1, a run for testing, that learns next to nothing.
FAST = os.environ.get("PATCHDPM_FAST") == "1"
IMAGES, EPOCHS, WIDTH, STEPS = (64, 1, 8, 2) if FAST else (4096, 3, 32, 12)
SHOWN, SAMPLES, BATCH = 10, 10 if FAST else 64, 32

scenes = kp.datasets.synthetic_scenes(IMAGES + SAMPLES, image_size=32, seed=0)
train, held_out = scenes[:IMAGES], scenes[IMAGES:]

# %% [markdown]
# ## Short form
#
# Six trainings of the same network, on equally many pixels: a step has one patch of
# each of 32 images at N = 1, of 128 images at N = 2, and so on.

# %%
CHOICES = {
    "N = 1": kp.WholeImage(),
    "N = 2": kp.GridPatching(2),
    "N = 4": kp.GridPatching(4),
    "N = 4, no position": kp.GridPatching(4, position=False),
    "N = 4, no GCC": kp.GridPatching(4, content=False),
    "N = 4, neither": kp.GridPatching(4, position=False, content=False),
}
if FAST:
    CHOICES = {name: CHOICES[name] for name in ("N = 1", "N = 4")}


def trained(patching):
    """A model after a short training."""
    keras.utils.set_random_seed(0)
    height, width, _ = patching.input_specs((32, 32, 3))["noisy"].shape
    times = 32 * 32 // (height * width)
    steps = EPOCHS * IMAGES // BATCH
    batches = kp.datasets.ImageBatches(train, min(BATCH * times, IMAGES), steps=steps)
    network = kp.networks.unet(
        32, patching, width=WIDTH, multipliers=(1, 2), blocks_per_depth=1, stem=2
    )
    schedule = kp.DDPMSchedule(prediction="velocity")
    model = kp.PatchDPM(network, schedule, patching)
    rate = keras.optimizers.schedules.CosineDecay(
        0.0, steps, warmup_target=2e-3, warmup_steps=steps // 20
    )
    model.compile(keras.optimizers.Adam(rate, use_ema=True, ema_momentum=0.99))
    model.fit(batches, verbose=0)
    return model


samples = {"scenes": held_out}
for name, patching in CHOICES.items():
    model = trained(patching)
    sampler = kp.PatchSampler(
        model,
        "dpmpp_2m",
        STEPS,
        spacing="trailing",
        patches_per_call=model.tiled().num_patches,
    )
    samples[name] = sampler(SAMPLES, seed=0, batch_size=SAMPLES)

# %% [markdown]
# The images of the six models. They start from the same noise.

# %% alt="Ten scenes, and ten samples of each model: worse without GCC and position."
figure, axes = plt.subplots(len(samples), SHOWN, figsize=(SHOWN, 7.4))
for line, (label, images) in zip(axes, samples.items(), strict=True):
    for axis, image in zip(line, images, strict=False):
        axis.imshow(image, interpolation="nearest")
        axis.set(xticks=[], yticks=[])
    line[0].set_ylabel(label, rotation=0, ha="right", va="center")
figure.tight_layout(pad=0.3)
plt.show()

# %% [markdown]
# Without position, sky and ground are anywhere. Without GCC, the patches of a scene do
# not know each other: their colours differ. The kernel distance in features of a
# MobileNetV2 says it in a number; it is comparable within this table alone.

# %%
extractor = kp.metrics.load_extractor("mobilenet_v2")
reference = kp.metrics.statistics(train[:SAMPLES], extractor, source="scenes")
distances = {}
for name, images in samples.items():
    found = kp.metrics.statistics(images, extractor, source=name)
    distances[name] = kp.metrics.kernel_distance(found, reference).value
    seams = kp.metrics.seam_ratio(images, 4)
    print(f"{name:20} kernel distance {distances[name]:6.2f}, seam ratio {seams:.2f}")

assert FAST or distances["N = 4"] < distances["N = 4, neither"]

# %% [markdown]
# ## Long form: faces
#
# Table 1 of the paper has the FID of 800,000 steps of training on 128 x 128 pixels:
#
# | | N = 1 | N = 2 | N = 4 | N = 8 |
# | --- | --: | --: | --: | --: |
# | CelebA | 14.8 | 14.0 | 13.6 | 16.2 |
# | LSUN bedroom | 22.4 | 24.1 | 28.8 | 66.1 |
#
# The trainings below saw 31 to 33 million pixels each, about 26,000 times fewer: faces
# of 64 x 64 pixels, the same small network, on one processor core. They say how methods
# compare after equally little training. FD-MNv2 is a Frechet distance in features of a
# MobileNetV2, of as many samples as the row of real faces has images; it is no FID.

# %%
# The notebook runs in the root of the repository, or in its own folder.
FOLDER = next(
    folder
    for folder in map(pathlib.Path, ("benchmarks/results", "../benchmarks/results"))
    if folder.exists()
)
lines = [json.loads(line) for line in (FOLDER / "coherence.jsonl").open()]
NAMES = {
    "whole": "whole images",
    "original": "original method",
    "cascade_shifted": "cascade",
    "any_n": "one model, any N",
    "no_position": "original, no position",
    "no_content": "original, no GCC",
    "neither": "original, neither",
}
COLUMNS = ("N", "FD-MNv2", "kernel", "precision", "recall", "seams/real", "MiB")


def row(name, values):
    """Prints a row of the table."""
    print(f"{name:30}" + "".join(f"{value!s:>11}" for value in values))


row("", COLUMNS)
lines.sort(key=lambda line: (list(NAMES).index(line["method"]), line["n"]))
for line in lines:
    row(
        f"{NAMES[line['method']]}, seed {line['seed']}",
        [
            line["n"],
            round(line["frechet"]),
            line["kernel"],
            line["precision"],
            line["recall"],
            round(line["seam"] / line["seam_real"], 2),
            line["activations_mib"],
        ],
    )
row("real faces", ["", round(lines[0]["frechet_real"])])

# %% [markdown]
# The command of a line:

# %%
print(lines[0]["command"])
