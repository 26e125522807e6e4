"""Refuses backups from which a training must not resume."""

from keras_patchdpm import runtime
from keras_patchdpm.callbacks import _settings


def unless_clean(folder, broken):
    """Refuses to start a new training in a folder with backups that cannot be read.

    Args:
        folder: `Path` of the backups, all of which are damaged.
        broken: List of `(path, reason)`, the damaged backups.
    """
    if (folder / "latest.weights.h5").exists():
        raise ValueError(
            f"{folder} contains a backup of `keras.callbacks.BackupAndRestore`, which "
            "this callback cannot read. Choose another folder, or remove that backup "
            f"to start a new training. Received: folder='{folder}'."
        )
    if broken:
        listed = "; ".join(f"{path}: {why}" for path, why in broken)
        raise ValueError(
            f"All backups in {folder} are damaged. {listed}. Restore one from a copy, "
            "or remove them all to start a new training. "
            f"Received: folder='{folder}'."
        )


def unless_same(folder, backup):
    """Refuses to resume if the processes that train together see other backups.

    Args:
        folder: `Path` of the backups.
        backup: `Backup` that this process would resume from, or `None`.
    """
    epoch = -1 if backup is None else backup.epoch
    if not runtime.same_in_all(epoch):
        own = "no backup" if backup is None else f"{backup.path}"
        raise ValueError(
            "The processes that train together see different backups. Give all of them "
            "one folder, on a disk that all machines share. "
            f"Received: folder='{folder}', which has {own} for this process."
        )


def of_other_settings(folder, kept, given):
    """Refuses to resume a training whose settings differ from those of the call."""
    found = _settings.differences(kept, given)
    if found:
        listed = "; ".join(
            f"{name}: the folder has {one}, the call {other}"
            for name, one, other in found
        )
        raise ValueError(
            f"{folder} contains a training with other settings. {listed}. Use the "
            "settings of the folder to resume that training, or choose another folder. "
            f"Received: folder='{folder}'."
        )


def of_another_model(path, kept, given):
    """Refuses to resume the training of another model or optimizer.

    Args:
        path: `Path` of the backup.
        kept, given: Results of `_variables.describe`, for the backup and the model.
    """
    if kept == given:
        return
    shapes = kept["shapes"], given["shapes"]
    pairs = enumerate(zip(*shapes, strict=False))
    odd = [index for index, (one, other) in pairs if one != other]
    first = (
        ""
        if not odd
        else (
            f"; variable {odd[0]} has the shape {shapes[0][odd[0]]} in the backup and "
            f"{shapes[1][odd[0]]} in this model"
        )
    )
    raise ValueError(
        f"{path} is the backup of another model or optimizer: it has "
        f"{kept['optimizer']} and {len(shapes[0])} variables, this model has "
        f"{given['optimizer']} and {len(shapes[1])} variables{first}. Build and "
        "compile the model as before, or choose another folder."
    )
