"""The files that a training writes in addition to its backups, for people to read."""

import csv
import io
import json

import keras

from keras_patchdpm import _files


class Record(keras.callbacks.Callback):
    """Writes `curve.csv` and `settings.json` from the state of the backups.

    After a kill the next call writes both files again, so that no epoch is missing or
    twice in them.

    Args:
        folder: `Path`.
        backup: `BackupAndRestore`, which must be before this callback in the list.
    """

    def __init__(self, folder, backup):
        super().__init__()
        self.folder = folder
        self.backup = backup

    def on_train_begin(self, logs=None):
        _files.remove_abandoned(self.folder, alone=True)
        text = json.dumps(self.backup.settings, indent=2) + "\n"
        _files.write(self.folder / "settings.json", text)
        if self.backup.curve:
            self._write_curve()

    def on_epoch_end(self, epoch, logs=None):
        self._write_curve()

    def _write_curve(self):
        rows = self.backup.curve
        names = sorted({name for row in rows for name in row} - {"epoch"})
        text = io.StringIO()
        writer = csv.DictWriter(text, ["epoch", *names], lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)
        _files.write(self.folder / "curve.csv", text.getvalue())
