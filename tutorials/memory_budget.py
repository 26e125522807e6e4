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
# # The memory budget
#
# How much memory does a sampling need, and a training? This tutorial measures both,
# shows how they fall with N, and sets limits that are kept. It takes under two minutes
# on two cores.

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
import importlib.util
import os
import subprocess
import sys
import tempfile

# PyTorch and JAX measure in this process. TensorFlow on a CPU starts a subprocess for
# each measurement, which takes many seconds, so it comes last here. The last but one
# section shows it.
BACKENDS = ("torch", "jax", "tensorflow")
BACKEND = next(name for name in BACKENDS if importlib.util.find_spec(name))
os.environ["KERAS_BACKEND"] = BACKEND
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import keras
import matplotlib.pyplot as plt
import numpy as np
from IPython.display import Markdown

import keras_patchdpm as kp

# With PATCHDPM_FAST=1, a run for testing, of a smaller network.
FAST = os.environ.get("PATCHDPM_FAST") == "1"
SIZE, WIDTH = (32, 8) if FAST else (128, 32)
LAYERS = {"multipliers": (1,), "blocks_per_depth": 1} if FAST else {}
NUMBERS = (1, 4) if FAST else (1, 2, 4)  # N: patches per side.
BATCH = 4
MIB = 2**20
print(f"measured on {BACKEND}")

# %% [markdown]
# ## A network for each N
#
# The images have 128 x 128 pixels. N = 1 is the whole image, N = 4 are 16 patches of 32
# x 32 pixels. The networks have the same layers; only the size of what they see
# differs.


# %%
def build(n):
    """A compiled model that generates images in n x n patches."""
    patching = kp.GridPatching(n)
    network = kp.networks.unet(
        SIZE, patching, width=WIDTH, stem=2, attention_depths=(), **LAYERS
    )
    model = kp.PatchDPM(network, kp.DDPMSchedule("cosine"), patching)
    model.compile(keras.optimizers.Adam(1e-3, use_ema=True))
    return model


models = {n: build(n) for n in NUMBERS}

# %% [markdown]
# ## Measure a sampling
#
# `memory.profile` measures one network call on one patch of each image. All calls of a
# sampling need the same memory, so one says how much a sampling needs. The weights are
# those of the network; the activations are everything that the call needs above them.

# %%
reports = [
    kp.memory.profile(models[n], batch_size=BATCH, timed=not FAST) for n in NUMBERS
]
print(reports[0])

# %% [markdown]
# `memory.table` writes a Markdown table of such reports:

# %%
sampling = {n: report.activations for n, report in zip(NUMBERS, reports, strict=True)}
assert sampling[4] < sampling[1] / (1 if FAST else 8)
Markdown(kp.memory.table(reports))

# %% [markdown]
# The activations fall as 1 / N², and the weights stay the same. Once the weights are
# most of the peak, a larger N gains little.
#
# ## Measure a training
#
# With `training=True`, one step of `fit` is measured, on a copy of the model. It needs
# the gradients and the variables of the optimizer too: here Adam with averaged weights,
# three times the weights. The activations of all layers are kept until the gradients
# are computed, so whole images need far more memory than in a sampling.

# %%
steps = [
    kp.memory.profile(models[n], batch_size=BATCH, training=True, timed=not FAST)
    for n in NUMBERS
]
training = {n: report.activations for n, report in zip(NUMBERS, steps, strict=True)}
assert training[4] < training[1]
assert all(training[n] > sampling[n] for n in NUMBERS)
assert steps[0].optimizer > 2.9 * steps[0].weights
Markdown(kp.memory.table(steps))

# %% [markdown]
# ## A budget for a sampling
#
# `memory.plan` finds the fastest sampling within a budget. It spends memory on more
# patches in a call first, since those need no memory for more images, and then on more
# images at a time. The budget contains weights, activations and images, but not Python
# and the libraries of the backend.

# %%
least = reports[-1].weights
budgets = [least + extra * MIB for extra in ((1, 2) if FAST else (4, 8, 32))]
plans = [kp.memory.plan(models[4], budget, num_images=8) for budget in budgets]
for plan in plans:
    print(plan)
    assert plan.peak <= plan.budget
assert FAST or plans[0].patches_per_call < plans[-1].patches_per_call

# %% [markdown]
# A budget can also be a string, such as `"300MB"`. `PatchSampler(memory_budget=)` makes
# the plan itself, when it is called. The images do not depend on it.

# %%
frugal = kp.PatchSampler(models[4], "ddim", steps=2, memory_budget=budgets[0])
roomy = kp.PatchSampler(models[4], "ddim", steps=2, memory_budget=budgets[-1])
first, second = frugal(num_images=1), roomy(num_images=1)
for sampler in (frugal, roomy):
    print(f"patches_per_call={sampler.plan.patches_per_call}")
assert FAST or frugal.plan.patches_per_call < roomy.plan.patches_per_call
assert np.abs(first.astype(int) - second).max() <= 1  # Of 255: calls round differently.

# %% [markdown]
# `kp.sample(memory_budget="80MB")` and the option `--memory-budget` of the command line
# do the same with a preset.
#
# ## If nothing fits
#
# Then you get an error before anything is generated. It states the smallest budget that
# works, and whether smaller patches would fit.

# %%
too_little = reports[0].weights + int(0.7 * sampling[1] / BATCH)
try:
    kp.memory.plan(models[1], too_little)
except ValueError as error:
    refused = str(error)
print(refused)
assert "The smallest budget that works is" in refused
assert FAST or "A model with N = 2 would fit" in refused

# %% [markdown]
# ## Weights in less memory
#
# At large N most of the memory is the weights. `from_preset(storage="float16")` stores
# them in half the memory, and `"int8"` in about a quarter. Each layer casts its own
# weights when it uses them. Such a model can generate images, but cannot be trained. On
# TensorFlow choose `"int8"`: there all float16 weights are cast at the start of a call.

# %%
stored = {}
with tempfile.TemporaryDirectory() as folder:
    models[4].save_to_preset(folder)
    for storage in (None, "float16", "int8"):
        narrow = kp.PatchDPM.from_preset(folder, storage=storage)
        stored[storage] = kp.memory.profile(narrow, timed=False)
for storage, report in stored.items():
    print(
        f"{storage or 'float32':8} weights {report.weights / MIB:5.2f} MiB, "
        f"peak {report.peak / MIB:5.2f} MiB"
    )
assert FAST or stored["float16"].weights < 0.51 * stored[None].weights
assert FAST or stored["int8"].weights < 0.3 * stored[None].weights
assert FAST or stored["int8"].peak < stored[None].peak

# %% [markdown]
# ## A budget for a training
#
# `plan(training=True)` finds the largest `batch_size` of `fit`. It measures batches of
# several sizes and returns the largest that was measured to fit.

# %%
budget = "4MB" if FAST else "250MB"
batches = {}
for n in (1, 4):
    plan = kp.memory.plan(models[n], budget, training=True)
    batches[n] = plan.batch_size
    print(f"N = {n}: {plan}")
    assert plan.peak <= plan.budget
assert batches[4] > 2 * batches[1]

# %% [markdown]
# `model.fit(images, batch_size=plan.batch_size)` trains with it. For larger batches,
# accumulate gradients: `Adam(1e-3, gradient_accumulation_steps=4)`.
#
# ## How TensorFlow is measured
#
# Each backend has its own measurement; the report names it (`method`).
#
# - **PyTorch**: events of `torch.profiler` on a CPU, `torch.cuda.max_memory_allocated`
#   on a GPU. Scratch memory of the kernels is counted.
# - **JAX**: the compiler's plan of its buffers. Nothing is run, so that calls which do
#   not fit in memory can be measured. On a CPU a plan keeps a reserve for scratch
#   memory.
# - **TensorFlow**: the statistics of its allocator,
#   `tf.config.experimental.get_memory_info(device)`: `reset_memory_stats`, one call,
#   then `"peak"` minus the `"current"` of before. On a CPU the allocator counts small
#   tensors only if `TF_CPU_ALLOCATOR_USE_BFC=1` is set before TensorFlow is imported.
#   `profile` therefore starts a subprocess with this variable.
#
# Such a table from the command line, which measures in subprocesses on every backend.
# This one is of the network of Arakawa et al., on images of 64 x 64 pixels:

# %%
if FAST or not importlib.util.find_spec("tensorflow"):
    on_tensorflow = "TensorFlow is not installed, or this run is for testing."
else:
    command = (
        "-m keras_patchdpm.memory --network arakawa_unet --dim 32 --image-size 64 "
        "--divisions 1 4"
    )
    done = subprocess.run(
        [sys.executable, *command.split()],
        env={**os.environ, "KERAS_BACKEND": "tensorflow"},
        capture_output=True,
        text=True,
        check=True,
    )
    on_tensorflow = done.stdout
    assert "tf.config.experimental.get_memory_info" in on_tensorflow
    assert "TF_CPU_ALLOCATOR_USE_BFC=1" in on_tensorflow
Markdown(on_tensorflow)

# %% [markdown]
# ## Memory by N
#
# All of the measurements above on logarithmic axes. The activations of a sampling fall
# as 1 / N²; those of a training fall less, since the gradients do not shrink.

# %% alt="Memory by N: activations fall with N, in a sampling as 1 / N squared."
figure, axis = plt.subplots(figsize=(7, 3.8), layout="constrained")
for label, activations in {"a training step": training, "a sampling": sampling}.items():
    values = [activations[n] / MIB for n in NUMBERS]
    axis.plot(NUMBERS, values, "o-", label=f"activations of {label}")
    for n, value in zip(NUMBERS, values, strict=True):
        axis.annotate(f" {value:.1f}", (n, value), va="bottom")
for activations, label in ((training, None), (sampling, "as 1 / N² from N = 1")):
    ideal = [activations[1] / n**2 / MIB for n in NUMBERS]
    axis.plot(NUMBERS, ideal, ":", color="black", label=label)
axis.axhline(reports[0].weights / MIB, ls="--", color="tab:red", label="weights")
axis.set(
    xlabel="N, patches per side",
    ylabel="MiB",
    title=f"{BATCH} images of {SIZE} x {SIZE} pixels, {BACKEND}",
    xscale="log",
    yscale="log",
    xticks=NUMBERS,
    xticklabels=NUMBERS,
    xlim=(0.9, 5),
)
axis.minorticks_off()
axis.legend(fontsize="small", loc="center left", bbox_to_anchor=(1, 0.5))
plt.show()

# %% [markdown]
# - [Fit your images into your GPU](../docs/fit_your_gpu.md) goes from a GPU and an
#   image size to a model.
# - [Memory and speed](../docs/memory_and_speed.md) has more measurements, with their
#   commands, and what patches cost in time.
# - [One model, any memory](one_model_any_memory.ipynb) trains once and chooses N when
#   it samples.
