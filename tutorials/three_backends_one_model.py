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
# # Three backends, one model
#
# A model is trained on one backend and saved. TensorFlow, JAX and PyTorch read the
# file, compute the same outputs and generate the same images, to 1e-4. This tutorial
# shows it with a cascade, and what is not the same. It takes under two minutes on two
# cores.

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
import json
import os
import pathlib
import subprocess
import sys
import tempfile

os.environ.setdefault("KERAS_BACKEND", "tensorflow")  # Or "jax", or "torch".
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import keras
import matplotlib.pyplot as plt
import numpy as np

import keras_patchdpm as kp

# With PATCHDPM_FAST=1, a run for testing, that learns next to nothing.
FAST = os.environ.get("PATCHDPM_FAST") == "1"
IMAGES, EPOCHS, WIDTH, STEPS = (64, 1, 8, 2) if FAST else (4096, 6, 24, 30)
SHOWN = 2 if FAST else 8

HERE = keras.config.backend()
BACKENDS = ("tensorflow", "jax", "torch")
INSTALLED = [name for name in BACKENDS if importlib.util.find_spec(name)]
for name in BACKENDS:
    if name not in INSTALLED:
        print(f"{name} is not installed: this run goes without it")
# The run for testing compares with one other backend: each needs seconds to start.
COMPARED = [name for name in INSTALLED if name != HERE][-1:] if FAST else INSTALLED
print(f"trained on {HERE}, compared on {', '.join(COMPARED)}")

# %% [markdown]
# ## Train on one backend
#
# The code is the same on every backend, since it is written with Keras. The backend is
# chosen once, by `KERAS_BACKEND`, before Keras is imported.

# %%
keras.utils.set_random_seed(0)
scenes = kp.datasets.synthetic_scenes(IMAGES, image_size=32, seed=0)
patching = kp.CascadePatching(2)
network = kp.networks.unet(
    image_size=32,
    patching=patching,
    width=WIDTH,
    multipliers=(1, 2),
    blocks_per_depth=1,
    stem=2,
)
model = kp.PatchDPM(network, kp.DDPMSchedule(prediction="clean"), patching)
rate = keras.optimizers.schedules.CosineDecay(3e-3, EPOCHS * IMAGES // 32)
model.compile(keras.optimizers.Adam(rate, use_ema=True, ema_momentum=0.99))
history = model.fit(scenes, batch_size=32, epochs=EPOCHS, verbose=0)
print(f"loss {history.history['loss'][0]:.3f} to {history.history['loss'][-1]:.3f}")

# %% [markdown]
# ## Save it
#
# `model.save` writes everything into one `.keras` file: network, patching, schedule,
# optimizer and seeds, to continue the training anywhere. `save_to_preset` writes a
# folder of small files, to generate images: after `fit` with `use_ema=True` these are
# the averaged weights. It stores them as float16 by default.

# %%
folder = pathlib.Path(tempfile.mkdtemp())
model.save(folder / "scenes.keras")
model.save_to_preset(folder / "preset", card="Scenes, for a tutorial.")
for path in ("scenes.keras", "preset"):
    files = [file for file in [folder / path, *(folder / path).glob("*")]]
    size = sum(file.stat().st_size for file in files if file.is_file())
    print(f"{path}: {size / 1e6:.2f} MB")

# %% [markdown]
# ## The same numbers for all
#
# Random numbers differ between backends, so the inputs of the network are drawn with
# NumPy: some patches and some levels of noise. The sampler's starting noise always
# comes from NumPy: `draw_noise(num_images, seed)` returns it.

# %%
rng = np.random.default_rng(0)
inputs = {}
for name, tensor in network.input.items():
    shape = (4, *tensor.shape[1:])
    if keras.backend.is_float_dtype(tensor.dtype):
        inputs[name] = np.abs(rng.standard_normal(shape)).astype("float32") / 4
    else:
        inputs[name] = np.arange(4, dtype="int32") % 2
sampler = kp.PatchSampler(model, "ddim", steps=STEPS)
for stage, noise in enumerate(sampler.draw_noise(SHOWN, seed=0)):
    inputs[f"noise_{stage}"] = noise
    print(f"noise of stage {stage}: {noise.shape} {noise.dtype}")
np.savez(folder / "inputs.npz", **inputs)

# %% [markdown]
# ## Read it on every backend
#
# This script runs once on each backend, in a subprocess: a process can use one backend
# only. It reads the `.keras` file and the preset.

# %%
SCRIPT = """
import json, sys, time
import numpy as np
import keras_patchdpm as kp  # Before the file is read: it registers the classes.
import keras

steps = int(sys.argv[1])
given = dict(np.load("inputs.npz", allow_pickle=False))
noise = [given.pop("noise_0"), given.pop("noise_1")]
model = keras.saving.load_model("scenes.keras")
preset = kp.PatchDPM.from_preset("preset")
seconds = []
with model.ema_weights():
    output = model.network.predict_on_batch(given)
    sampler = kp.PatchSampler(model, "ddim", steps=steps)
    for _ in range(2):
        start = time.perf_counter()
        samples = sampler(len(noise[0]), noise=noise, dtype="float32")
        seconds.append(time.perf_counter() - start)
of_preset = preset.network.predict_on_batch(given)
name = keras.config.backend()
np.savez(f"{name}.npz", output=output, samples=samples, of_preset=of_preset)
activations = kp.memory.profile(model, batch_size=64, timed=False).activations
print(json.dumps({"seconds": seconds, "activations": activations}))
"""


def run(backend):
    """Runs the script on a backend; returns its arrays and its measurements."""
    done = subprocess.run(
        [sys.executable, "-c", SCRIPT, str(STEPS)],
        cwd=folder,
        env={
            **os.environ,
            "KERAS_BACKEND": backend,
            "PYTHONPATH": str(pathlib.Path(kp.__path__[0]).parent),
        },
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    arrays = dict(np.load(folder / f"{backend}.npz", allow_pickle=False))
    return arrays, json.loads(done.stdout.splitlines()[-1])


runs = {backend: run(backend) for backend in COMPARED}

# %% [markdown]
# ## Compare
#
# The outputs of the network, and the samples, as largest differences from those of this
# notebook's process. The samples are floats in [-1, 1], after all steps of both stages.

# %%
with model.ema_weights():
    names = list(network.input)
    expected = {
        "output": network.predict_on_batch({name: inputs[name] for name in names}),
        "samples": sampler(
            SHOWN, noise=[inputs["noise_0"], inputs["noise_1"]], dtype="float32"
        ),
    }
restored = kp.PatchDPM.from_preset(folder / "preset").network
expected["of_preset"] = restored.predict_on_batch(
    {name: inputs[name] for name in names}
)
for backend, (arrays, _) in runs.items():
    apart = {
        what: float(np.abs(arrays[what] - values).max())
        for what, values in expected.items()
    }
    print(
        f"{backend:10} network {apart['output']:.1e}, samples {apart['samples']:.1e}, "
        f"network of the preset {apart['of_preset']:.1e}"
    )
    assert max(apart.values()) < 1e-4

# %% [markdown]
# They are not the same to the last bit: each backend sums in its own order. The preset
# differs more from the `.keras` file than backends from each other, since its weights
# are float16. The training was short, so the houses are blurred: on all backends alike.

# %%
rounded = float(np.abs(expected["of_preset"] - expected["output"]).max())
print(f"network, preset and file: {rounded:.1e}")
assert 0 < rounded < 0.05

# %% alt="Three rows, one for each backend, of the same eight blurred scenes."
figure, axes = plt.subplots(
    len(runs), SHOWN, figsize=(SHOWN, 1.05 * len(runs)), squeeze=False
)
for line, (backend, (arrays, _)) in zip(axes, runs.items(), strict=True):
    for axis, image in zip(line, arrays["samples"], strict=True):
        axis.imshow((image + 1) / 2, interpolation="nearest")
        axis.set(xticks=[], yticks=[])
    line[0].set_ylabel(backend, rotation=0, ha="right", va="center")
figure.tight_layout(pad=0.3)
plt.show()

# %% [markdown]
# ## What is not the same
#
# - **Time.** The first call of a sampling compiles on TensorFlow and JAX; PyTorch
#   traces the network, which is shorter. Which backend is fastest depends on the
#   machine and on what else runs on it: [ratios](../docs/memory_and_speed.md) say more
#   than the seconds below.
# - **Memory.** The backends have other kernels, which need other scratch memory, and
#   each is measured in its own way ([the memory budget](memory_budget.ipynb)).

# %%
for backend, (_, measured) in runs.items():
    first, second = measured["seconds"]
    activations = measured["activations"] / 2**20
    print(
        f"{backend:10} first call {first:5.1f} s, second {second:5.1f} s, "
        f"activations of 64 patches {activations:5.2f} MiB"
    )
    assert activations > 0

# %% [markdown]
# - **Random numbers of a training.** One seed gives other noise, levels and first
#   weights on each backend, so the same `fit` trains another model. The
#   random numbers of a sampling are the same: the starting noise of a seed, and the
#   noise that solvers such as `"ddpm"` add, come from NumPy.
# - **Changing the backend** in a running process does not work: restart, with another
#   `KERAS_BACKEND`.
#
# To run a model where none of the three is installed: [on a phone, in a browser, on a
# Raspberry Pi](../docs/edge.md).
