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
# # Reproduce: memory (Table 2 and Fig. 1)
#
# [Arakawa et al. 2023](https://arxiv.org/abs/2304.07087) report that the memory of a
# network call falls with N, the patches per side (their Table 2), and plot it against
# the quality of the images (their Fig. 1). This page measures the memory of their
# network here, and shows the complete measurements, which take longer, beside the
# figures of the paper.
#
# The short form takes under two minutes on two cores.

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

import matplotlib.pyplot as plt

import keras_patchdpm as kp

# With PATCHDPM_FAST=1, a run for testing, of a smaller network.
FAST = os.environ.get("PATCHDPM_FAST") == "1"
DIM = 16 if FAST else 128  # Of the authors' network. Theirs: 128.
MEASURED = (1, 4) if FAST else (1, 2, 4, 8)

# Table 2 of the paper: maximum memory of a forward pass in GB, and the FID on CelebA.
PAPER = {1: (7.46, 14.8), 2: (3.25, 14.0), 4: (2.14, 13.6), 8: (1.83, 16.2)}

# %% [markdown]
# ## Short form: one image
#
# `arakawa_unet` is the network of the authors, weight for weight. `memory.profile` runs
# one call of it for one patch, in a subprocess, and reads the peak from the allocator:
# on TensorFlow from `tf.config.experimental.get_memory_info`.

# %%
activations = {}
for n in MEASURED:
    network = kp.networks.arakawa_unet(image_size=128, divisions=n, dim=DIM)
    report = kp.memory.profile(
        network, batch_size=1, divisions=n, isolated=True, timed=False
    )
    activations[n] = report.activations
    print(
        f"N = {n}: weights {report.weights / 2**20:6.1f} MiB, "
        f"activations {report.activations / 2**20:6.1f} MiB"
    )
print(report.measured.method)

assert activations[4] < activations[1] / 4

# %% [markdown]
# ## Long form: Table 2
#
# 64 images at a time, as many as the training of the authors uses. Each line of the
# results has the command that measured it.

# %%
# The notebook runs in the root of the repository, or in its own folder.
FOLDER = next(
    folder
    for folder in map(pathlib.Path, ("benchmarks/results", "../benchmarks/results"))
    if folder.exists()
)


def results(name):
    """The lines of a file of results, a list of dicts."""
    return [json.loads(line) for line in (FOLDER / f"{name}.jsonl").open()]


peaks = {}
for line in results("peak_memory"):
    if line["batch"] == 64:
        peaks.setdefault(line["backend"], {})[line["n"]] = line["peak"]
print("Peak with weights over that of N = 1, and the peak of N = 1")
print(f"{'':12}" + "".join(f"{f'N = {n}':>8}" for n in PAPER) + f"{'GB':>8}")
for backend, found in {
    "paper": {n: gigabytes * 1e9 for n, (gigabytes, _) in PAPER.items()},
    **peaks,
}.items():
    row = "".join(f"{found[n] / found[1]:8.3f}" for n in sorted(found))
    print(f"{backend:12}{row}{found[1] / 1e9:8.2f}")
    assert backend == "paper" or found[8] / found[1] < PAPER[8][0] / PAPER[1][0]

# %%
print(results("peak_memory")[0]["command"])

# %% [markdown]
# The ratios here are smaller than in the paper, whose figures fit 1.85 GB +
# 5.6 GB / N². Here the constant part is the weights alone, 0.51 GB. They are what
# remains at N = 8.
#
# ## Fig. 1: memory against quality
#
# The points of the paper are on the left. On the right are the trainings of
# [the page about quality](paper_quality.ipynb): small networks, 64 x 64 pixels, 31 to
# 33 million pixels each, so their distances say how methods compare under a small
# budget, and not what the method reaches.

# %% alt="Memory against quality: of the paper, and of short trainings here."
figure, (left, right) = plt.subplots(1, 2, figsize=(9, 3.6))
left.plot(*zip(*PAPER.values(), strict=True), "o-", color="tab:gray")
for n, (gigabytes, distance) in PAPER.items():
    left.annotate(f" N = {n}", (gigabytes, distance))
left.set(
    title="Arakawa et al., CelebA, 128 pixels",
    xlabel="memory of a call (GB)",
    ylabel="FID",
)
points = {}
for line in results("coherence"):
    if line["seed"] == 0:
        points.setdefault(line["method"], []).append(
            (line["n"], line["activations_mib"], line["frechet"])
        )
NAMES = {
    "whole": "whole images",
    "original": "original method",
    "cascade_shifted": "cascade",
    "any_n": "one model, any N",
}
for method, name in NAMES.items():
    if method in points:
        numbers, memory, distances = zip(*sorted(points[method]), strict=True)
        right.plot(memory, distances, "o-", label=name)
        for n, x, y in zip(numbers, memory, distances, strict=True):
            right.annotate(f" {n}", (x, y))
right.set(
    title="this package, faces of 64 pixels, short trainings",
    xlabel="activations of a call of four images (MiB)",
    ylabel="FD-MNv2",
    xscale="log",
    xticks=[0.05, 0.2, 1, 4],
    xticklabels=["0.05", "0.2", "1", "4"],
)
right.minorticks_off()
right.legend(fontsize="small")
figure.tight_layout()
plt.show()
