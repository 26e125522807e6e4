"""The callback that backs up a training and resumes it."""

import warnings

import keras

from keras_patchdpm import _checks, _files, runtime
from keras_patchdpm.callbacks import _backups, _lock, _refusals, _settings, _variables


class BackupAndRestore(keras.callbacks.Callback):
    """Backs up a training, and resumes it when the same call is run again.

    A backup is a folder such as `epoch-000012`. It is written under another name,
    flushed to the disk and renamed. So a killed process or a full disk does not damage
    the earlier backups. `fit` starts from the newest backup whose checksums are right,
    and prints its name. Without a backup, a new training starts. Backups stay when the
    training ends: `fit` with more `epochs` continues it.

    A backup contains the weights, the state of the optimizer (with averages, learning
    rate and loss scale), the states of seed generators, and the logs of all epochs.
    Backups are written at the end of epochs. A resumed training repeats the epoch in
    which it was stopped. For frequent backups choose short epochs:
    `ImageBatches(steps=)`, or `steps_per_epoch`.

    The result of a resumed training is bit-identical to that of an unbroken one, if the
    batches of an epoch depend on its number alone: `datasets.ImageBatches`,
    `shuffle=False`, or `RandomPatching` on an array. The result differs for a shuffled
    array (the default), a `tf.data.Dataset` or a `DataLoader`, whose order Keras does
    not save. It also differs if another callback has a state (the patience of
    `EarlyStopping` starts again), or, on PyTorch, if a `Dropout` layer has no `seed`.

    It works with any compiled Keras model, with one training per folder. Of several
    processes that train together (`jax.distributed`, `torch.distributed`), the first
    one writes. All read, so all need the same folder.

    Args:
        folder: Path of a folder for the backups of this training alone. It is created
            if it does not exist.
        every_epochs: Positive int. Epochs from one backup to the next. The last epoch
            of a training is backed up too. Default 1.
        keep: Positive int. Number of backups to keep. Default 2, so that one is left if
            the disk damages the other.
        settings: Dict of values that JSON can represent, which a resumed training must
            share, such as the batch size. A backup with other settings is refused; the
            message lists the differences. Default `None`: nothing is compared.

    Attributes:
        curve: List of dicts, `epoch` and the logs of each epoch so far, also of those
            before a restart.

    Raises:
        ValueError: If `folder` is a file. In `fit`, if all backups in `folder` are
            damaged, the newest has another model, optimizer or `settings`, or processes
            that train together see other backups.
        BlockingIOError: In `fit`, if another process trains with `folder`.
        OSError: In `fit`, if a backup cannot be written. The earlier backups stay.

    Example:

    >>> batches = datasets.ImageBatches(images, batch_size=32)
    >>> backup = callbacks.BackupAndRestore("runs/faces/backup")
    >>> model.fit(batches, epochs=100, callbacks=[backup])
    """

    def __init__(self, folder, *, every_epochs=1, keep=2, settings=None):
        super().__init__()
        self.folder = _files.folder_of("folder", folder)
        self.every_epochs = _checks.positive_int("every_epochs", every_epochs)
        self.keep = _checks.positive_int("keep", keep)
        self.settings = _settings.plain("settings", settings)
        self.curve = []
        self._held = None
        self._process = 0

    def on_train_begin(self, logs=None):
        """Keras calls it when `fit` starts: locks the folder, resumes the training."""
        _, self._process = runtime.processes()
        try:
            if self._process == 0:
                self._held = _lock.acquire(self.folder)
                _files.remove_abandoned(self.folder, alone=True)
                size = _variables.num_bytes(self.model)
                _files.check_writable(self.folder / "epoch-000000", size)
            runtime.same_in_all(0)  # The others wait until the folder exists.
            self._restore()
        except BaseException:
            self.release()
            raise

    def on_epoch_begin(self, epoch, logs=None):
        """Keras calls it before each epoch: resets the epoch at which `fit` starts."""
        _start_at(self.model, None)  # This `fit` has read it; a later one starts at 0.

    def on_epoch_end(self, epoch, logs=None):
        """Keras calls it after each epoch: writes a backup if one is due."""
        done = epoch + 1
        self.curve.append({"epoch": epoch, **_numbers(logs or {})})
        last = done == self.params["epochs"] or self.model.stop_training
        if self._process == 0 and (done % self.every_epochs == 0 or last):
            self._back_up(done)

    def on_train_end(self, logs=None):
        """Keras calls it when `fit` ends without an error: releases the folder."""
        _start_at(self.model, None)
        self.release()

    def release(self):
        """Unlocks the folder for other processes; call it after Ctrl-C in a notebook.

        It is not needed if `fit` ends without an error, or if the process ends in any
        way: then the folder is unlocked automatically.
        """
        if self._held is not None:
            self._held.release(force=True)
            self._held = None

    def _restore(self):
        """Loads the newest complete backup into the model, if there is one."""
        _start_at(self.model, None)
        self.curve = []
        backup, broken = _backups.newest(self.folder)
        _refusals.unless_same(self.folder, backup)
        if backup is None:
            _refusals.unless_clean(self.folder, broken)
            return
        for path, why in broken:
            warnings.warn(f"Skipped the backup {path}: {why}.", stacklevel=2)
        _refusals.of_other_settings(self.folder, backup.settings, self.settings)
        model = _variables.describe(self.model)
        _refusals.of_another_model(backup.path, backup.model, model)
        _variables.load(self.model, backup.variables)
        self.curve = backup.curve
        _start_at(self.model, backup.epoch)
        done = backup.epoch >= self.params["epochs"]
        rest = ": nothing is left to train" if done else ""
        if self._process == 0:
            print(f"Resumes after epoch {backup.epoch} from {backup.path}{rest}")

    def _back_up(self, epoch):
        try:
            _backups.write(
                self.folder,
                epoch,
                lambda file: _variables.save(self.model, file),
                curve=self.curve,
                settings=self.settings,
                model=_variables.describe(self.model),
            )
            _backups.prune(self.folder, epoch, self.keep)
        except OSError as error:
            self.release()
            raise OSError(
                error.errno,
                f"The backup of epoch {epoch} could not be written to {self.folder} "
                f"({_files.reason(error)}). The newest complete backup is safe. "
                "Free some space or make the folder writable, and run the same call "
                "again: it resumes from that backup.",
            ) from error


def _start_at(model, epoch):
    """Sets the epoch at which `fit` starts; `None`: its argument `initial_epoch`.

    It uses a private name of Keras, as the callback of Keras does: there is no public
    one.
    """
    model._initial_epoch = epoch


def _numbers(logs):
    """Converts logs to Python numbers, which JSON keeps exactly."""
    arrays = {name: keras.ops.convert_to_numpy(value) for name, value in logs.items()}
    return {name: array.tolist() for name, array in arrays.items()}
