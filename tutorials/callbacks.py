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
# # Callbacks
#
# Training is Keras' own `fit`, so every callback of Keras works. This page shows those
# that a diffusion model needs: a grid of samples after each epoch, TensorBoard, early
# stopping, averaged weights, and a backup from which a killed training resumes. It
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

import importlib.util
import pathlib
import subprocess
import sys
import tempfile
import time

import keras
import matplotlib.pyplot as plt
import numpy as np

import keras_patchdpm as kp

# With PATCHDPM_FAST=1, a run for testing, that learns next to nothing.
FAST = os.environ.get("PATCHDPM_FAST") == "1"
IMAGES, EPOCHS, WIDTH, STEPS = (64, 2, 8, 2) if FAST else (2048, 6, 32, 20)
MOST_EPOCHS = 2 if FAST else 40  # Of the training that stops early.
SHOWN = 10

os.chdir(tempfile.mkdtemp())  # `runs/` is written here.
scenes = kp.datasets.synthetic_scenes(IMAGES, image_size=32, seed=0)
held_out = kp.datasets.synthetic_scenes(32 if FAST else 128, image_size=32, seed=1)


def make_model(momentum=0.99):
    """A cascade for the scenes, compiled with averaged weights."""
    keras.utils.set_random_seed(0)
    patching = kp.CascadePatching(2)
    network = kp.networks.unet(
        image_size=32,
        patching=patching,
        width=WIDTH,
        multipliers=(1,) if FAST else (1, 2),
        blocks_per_depth=1,
        attention_depths=() if FAST else (1,),
        stem=2,
    )
    model = kp.PatchDPM(network, kp.DDPMSchedule(prediction="clean"), patching)
    model.compile(keras.optimizers.Adam(2e-3, use_ema=True, ema_momentum=momentum))
    return model


# %% [markdown]
# ## Samples after each epoch
#
# The loss says little about the images, so look at them. A sampler with one seed shows
# the same images as they develop. `model.ema_weights()` samples with the averaged
# weights, which are better than the last ones.
#
# This training is much too short: look at what comes first. The grey of the mean image
# becomes sky and ground, then colours, then a roof.

# %%
model = make_model()
sampler = kp.PatchSampler(model, "ddim", steps=STEPS, patches_per_call=4)
pictures = []
pathlib.Path("runs").mkdir()


def draw(epoch, logs):
    """Keeps samples of an epoch, and writes them into a file."""
    with model.ema_weights():
        pictures.append(sampler(SHOWN, seed=0))
    kp.save_images(pictures[-1], f"runs/epoch-{epoch + 1:03}.png", columns=SHOWN)


batches = kp.datasets.ImageBatches(scenes, batch_size=32)
samples = keras.callbacks.LambdaCallback(on_epoch_end=draw)
history = model.fit(batches, epochs=EPOCHS, callbacks=[samples], verbose=2)
assert sorted(path.name for path in pathlib.Path("runs").glob("*.png")) == [
    f"epoch-{epoch:03}.png" for epoch in range(1, EPOCHS + 1)
]

# %% alt="Ten samples after each of six epochs: from grey blurs to sky, ground, roofs."
figure, axes = plt.subplots(EPOCHS, SHOWN, figsize=(SHOWN, 1.05 * EPOCHS))
for number, (line, images) in enumerate(zip(axes, pictures, strict=True)):
    for axis, image in zip(line, images, strict=True):
        axis.imshow(image, interpolation="nearest")
        axis.set(xticks=[], yticks=[])
    label = f"epoch {number + 1}"
    line[0].set_ylabel(label, rotation=0, ha="right", va="center")
figure.tight_layout(pad=0.3)
plt.show()
losses = history.history["loss"]
assert losses[-1] < losses[0]
change = [
    np.abs(one.astype(float) - other).mean()
    for one, other in zip(pictures, pictures[1:], strict=False)
]
print("mean change from epoch to epoch:", np.round(change, 1), "of 255")

# %% [markdown]
# ## TensorBoard
#
# With the package `tensorboard`, `keras.callbacks.TensorBoard("runs/logs")` writes the
# curves of the loss, and `tf.summary.image("samples", picture[None], step=epoch)`
# writes a picture. Both need TensorFlow, whatever the backend is. The callback below
# writes curves and pictures too, and needs TensorFlow alone. They are shown by
# `tensorboard --logdir runs/logs`.


# %%
class WriteEvents(keras.callbacks.Callback):
    """Writes the logs and a grid of samples of each epoch for TensorBoard."""

    def __init__(self, folder, sampler):
        super().__init__()
        self.writer = tf.summary.create_file_writer(folder)
        self.sampler = sampler

    def on_epoch_end(self, epoch, logs=None):
        with self.model.ema_weights():
            picture = kp.datasets.tile(self.sampler(SHOWN, seed=0))
        height, width, _ = picture.shape
        image = tf.compat.v1.Summary.Image(
            encoded_image_string=tf.io.encode_png(picture).numpy(),
            height=height,
            width=width,
        )
        summary = tf.compat.v1.Summary()
        summary.value.add(tag="samples", image=image)
        for name, value in logs.items():
            summary.value.add(tag=name, simple_value=float(value))
        with self.writer.as_default():
            tf.summary.experimental.write_raw_pb(summary.SerializeToString(), epoch)
        self.writer.flush()


if importlib.util.find_spec("tensorflow"):
    import tensorflow as tf  # noqa: TID251

    events = WriteEvents("runs/logs", sampler)
    short = kp.datasets.ImageBatches(scenes, batch_size=32, steps=2)
    model.fit(short, epochs=2, callbacks=[events], verbose=0)
    (path,) = pathlib.Path("runs/logs").iterdir()
    written = []
    for record in tf.data.TFRecordDataset(str(path)).as_numpy_iterator():
        event = tf.compat.v1.Event.FromString(record)
        written += [(event.step, value.tag) for value in event.summary.value]
    print(written)
    assert set(written) == {(k, tag) for k in (0, 1) for tag in ("samples", "loss")}

# %% [markdown]
# ## Early stopping, with averaged weights
#
# `fit(validation_data=)` computes the loss of images that are not trained on. The noise
# is the same in every epoch, so that epochs can be compared.
#
# - `SwapEMAWeights(swap_on_epoch=True)` puts the averaged weights into the model at the
#   end of an epoch, for the validation loss and for the callbacks after it in the list.
#   In the next epoch the training continues with its own weights.
# - `EarlyStopping` after it ends the training when the validation loss has fallen by
#   less than `min_delta` for `patience` epochs, and leaves the averaged weights of the
#   best epoch in the model. The `min_delta` here is large, so that this page is short.
#   In a long training leave it out: then it stops when the validation loss rises.

# %% alt="Both losses fall fast, then slowly. A line marks the epoch that is kept."
short = kp.datasets.ImageBatches(scenes, batch_size=32, steps=2 if FAST else 24)
stopping = keras.callbacks.EarlyStopping(
    "val_loss", min_delta=0.01, patience=3, restore_best_weights=True
)
model = make_model(momentum=0.95)
history = model.fit(
    short,
    validation_data=held_out,
    epochs=MOST_EPOCHS,
    callbacks=[keras.callbacks.SwapEMAWeights(swap_on_epoch=True), stopping],
    verbose=0,
)
curves, best = history.history, stopping.best_epoch + 1
print(f"stopped after epoch {len(curves['loss'])}, keeps epoch {best}")

figure, axis = plt.subplots(figsize=(5, 2.5), layout="constrained")
for name, label in (("loss", "training images"), ("val_loss", "other images")):
    axis.plot(range(1, len(curves[name]) + 1), curves[name], label=label)
axis.axvline(best, color="grey", linestyle=":", label="epoch that is kept")
axis.set(xlabel="epoch", ylabel="loss")
axis.legend()
plt.show()

now = model.evaluate(held_out, verbose=0)
print(f"validation loss of epoch {best}: {stopping.best:.5f}, now {now:.5f}")
np.testing.assert_allclose(now, stopping.best, rtol=1e-4)
assert FAST or len(curves["loss"]) < MOST_EPOCHS

# %% [markdown]
# The validation loss is the lower one, since it is that of the averaged weights at the
# end of the epoch. It still falls after the epoch that is kept, by less than
# `min_delta`.

# %% [markdown]
# ## A killed training resumes
#
# `kp.callbacks.BackupAndRestore` writes a backup after each epoch. If the process is
# killed, run the same program again: it resumes from the newest backup, and its result
# is bit for bit that of a training that was never killed. That needs batches that
# depend on the number of the epoch alone, which `ImageBatches` has.
#
# Here is such a program, which does not know whether it is the first run:

# %%
PROGRAM = """
import sys

import keras
import numpy as np

import keras_patchdpm as kp

folder = sys.argv[1]
keras.utils.set_random_seed(0)
patching = kp.CascadePatching(2)
network = kp.networks.unet(
    16, patching, width=8, multipliers=(1,), blocks_per_depth=1, attention_depths=()
)
model = kp.PatchDPM(network, kp.DDPMSchedule(prediction="clean"), patching)
model.compile(keras.optimizers.Adam(1e-3, use_ema=True, ema_momentum=0.9))
images = kp.datasets.synthetic_scenes(256, image_size=16)
batches = kp.datasets.ImageBatches(images, batch_size=32)
backup = kp.callbacks.BackupAndRestore(f"{folder}/backup")
model.fit(batches, epochs=10, callbacks=[backup], verbose=0)

variables = [*model.variables, *model.optimizer.variables]
arrays = [keras.ops.convert_to_numpy(variable) for variable in variables]
np.savez(f"{folder}/end.npz", *arrays, loss=[row["loss"] for row in backup.curve])
"""
pathlib.Path("train.py").write_text(PROGRAM)


def start(folder):
    """Starts the program, which trains in a folder, in another process."""
    command = [sys.executable, "train.py", folder]
    pipe = subprocess.PIPE
    return subprocess.Popen(command, stdout=pipe, stderr=pipe, text=True)


# %% [markdown]
# One training runs to its end. Another one is killed (SIGKILL, which no program can
# catch) as soon as its second backup is written.

# %%
unbroken, killed = start("runs/unbroken"), start("runs/killed")
second = pathlib.Path("runs/killed/backup/epoch-000002")
while not second.exists() and killed.poll() is None:
    time.sleep(0.01)
killed.kill()
killed.communicate()
print("backups:", sorted(path.name for path in second.parent.glob("epoch-*")))
assert second.exists()
assert not pathlib.Path("runs/killed/end.npz").exists()

# %% [markdown]
# The same program, run again:

# %%
resumed = start("runs/killed")
print(resumed.communicate()[0].strip())
unbroken.communicate()
assert resumed.returncode == unbroken.returncode == 0

with np.load("runs/unbroken/end.npz") as one, np.load("runs/killed/end.npz") as other:
    same = [np.array_equal(one[name], other[name]) for name in one.files]
    print(f"{sum(same)} of {len(same)} arrays are equal, to the last bit")
    assert one.files == other.files
    assert all(same)

# %% [markdown]
# ## What to know
#
# - Put `BackupAndRestore` first in the list. After `SwapEMAWeights(swap_on_epoch=True)`
#   it would save swapped weights. The state of other callbacks, such as the patience of
#   `EarlyStopping`, is not in the backup.
# - `kp.training.train` has a backup, averaged weights, a time limit and a curve of the
#   loss built in: [Train on your own folder](train_on_your_own_folder.ipynb).
# - Sampling has a `callback` as well, and a `checkpoint` from which it resumes:
#   [Long sampling](../docs/sampling.md).
# - All options: [BackupAndRestore](../docs/api/callbacks.md).
