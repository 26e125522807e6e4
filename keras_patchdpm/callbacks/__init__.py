"""Callbacks for `fit`."""

from keras_patchdpm.callbacks.backup_and_restore import BackupAndRestore

__all__ = ["BackupAndRestore"]
