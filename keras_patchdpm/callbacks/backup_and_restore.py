"""Backups of a training that survive a kill at any moment."""

import warnings

import keras

from keras_patchdpm import _checks, _files
from keras_patchdpm.callbacks import _backups, _lock, _refusals, _settings, _variables


class BackupAndRestore(keras.callbacks.Callback):
    """Backs a training up, and resumes it when the same call is run again.

    A backup is a folder such as `epoch-000012`. It is written under another name,
    flushed to the disk and renamed, so that a process that is killed at any moment, or
    a full disk, leaves the earlier backups whole. `fit` starts from the newest backup
    whose checksums are right, and prints its name; without a backup it starts clean.
    Backups stay when the training ends, so `fit` with more `epochs` continues it.

    A backup holds the weights, the states of the optimizer (averages, learning rate
    and loss scale included) and of seed generators, and the logs of all epochs.
    Backups are written at the end of epochs, and a resumed training repeats the epoch
    in which it was stopped. It ends bit for bit where an unbroken one ends, if the
    batches of an epoch depend on the number of the epoch alone: with
    `datasets.ImageBatches`, `shuffle=False`, or a `RandomPatching` on an array. It does
    not with the default `shuffle=True` of an array or a shuffled `tf.data.Dataset` or
    `DataLoader`, whose order Keras does not save, nor if another callback has a state
    (the patience of `EarlyStopping` starts anew) or, on PyTorch, a `Dropout` layer has
    no `seed`. For frequent backups choose short epochs: `ImageBatches(steps=)`, or
    `steps_per_epoch`.

    Works with any compiled Keras model, with one process per folder.

    Args:
        folder: Path. Of the backups of this training alone; made if need be.
        every_epochs: Positive int. Epochs from one backup to the next (default: 1). The
            last epoch of a training is backed up too.
        keep: Positive int. Backups to keep (default: 2, so that one is left if the disk
            damages the other).
        settings: Dict of what JSON can write, or `None` (default) for nothing to
            compare. A backup of other settings is refused, and the differences are
            listed: put in whatever a resumed training must share, such as the batch
            size.

    Attributes:
        curve: List of dicts, `epoch` and the logs of each epoch so far, those before a
            restart included.

    Raises:
        ValueError: In `fit`, if all backups in `folder` are damaged, or the newest is
            of another model, optimizer or `settings`.
        BlockingIOError: In `fit`, if another process trains with `folder`.
        OSError: In `fit`, if a backup cannot be written. Those there are stay whole.

    Example:

    >>> batches = datasets.ImageBatches(images, batch_size=32)
    >>> backup = callbacks.BackupAndRestore("runs/faces/backup")
    >>> model.fit(batches, epochs=100, callbacks=[backup])
    """

    def __init__(self, folder, *, every_epochs=1, keep=2, settings=None):
        super().__init__()
        self.folder = _files.path_of("folder", folder)
        self.every_epochs = _checks.positive_int("every_epochs", every_epochs)
        self.keep = _checks.positive_int("keep", keep)
        self.settings = _settings.plain("settings", settings)
        self.curve = []
        self._held = None

    def on_train_begin(self, logs=None):
        """Keras calls it when `fit` starts: locks the folder, restores the training."""
        try:
            self._held = _lock.acquire(self.folder)
            _files.remove_abandoned(self.folder, alone=True)
            size = _variables.num_bytes(self.model)
            _files.check_writable(self.folder / "epoch-000000", size)
            self._restore()
        except BaseException:
            self.release()
            raise

    def on_epoch_begin(self, epoch, logs=None):
        """Keras calls it before each epoch."""
        _start_at(self.model, None)  # `fit` has read it; a later `fit` starts at 0.

    def on_epoch_end(self, epoch, logs=None):
        """Keras calls it after each epoch: writes a backup if one is due."""
        done = epoch + 1
        self.curve.append({"epoch": epoch, **_numbers(logs or {})})
        last = done == self.params["epochs"] or self.model.stop_training
        if done % self.every_epochs == 0 or last:
            self._back_up(done)

    def on_train_end(self, logs=None):
        """Keras calls it when `fit` ends without an error."""
        _start_at(self.model, None)
        self.release()

    def release(self):
        """Lets another process train with the folder, after Ctrl-C in a notebook.

        A training that ends, or a process that ends in any way, releases the folder
        without this.
        """
        if self._held is not None:
            self._held.release(force=True)
            self._held = None

    def _restore(self):
        """Gives the model the state of the newest whole backup, if there is one."""
        _start_at(self.model, None)
        self.curve = []
        backup, broken = _backups.newest(self.folder)
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
                f"({_files.reason(error)}). The newest whole backup there is safe. "
                "Free some space or make the folder writable, and run the same call "
                "again: it resumes from that backup.",
            ) from error


def _start_at(model, epoch):
    """Sets the epoch at which `fit` starts; `None` leaves it to `fit`.

    The one place that uses this private name of Keras, as its own callback does: Keras
    has no public one.
    """
    model._initial_epoch = epoch


def _numbers(logs):
    """Logs as numbers of Python, which JSON writes and reads without a loss."""
    arrays = {name: keras.ops.convert_to_numpy(value) for name, value in logs.items()}
    return {name: array.tolist() for name, array in arrays.items()}
