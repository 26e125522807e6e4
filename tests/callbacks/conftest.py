"""Trainings that are stopped, and what they must end with."""

import numpy as np
import pytest
from plain_training import EPOCHS, Training

from keras_patchdpm.callbacks import BackupAndRestore


@pytest.fixture(scope="session")
def training():
    return Training()


@pytest.fixture(scope="session")
def unbroken(training):
    """The state at the end of a training without a break or a backup."""
    return training.fit()


@pytest.fixture
def three(training, tmp_path):
    """A folder with the backups of a training that was stopped after three epochs."""
    folder = tmp_path / "backup"
    training.fit(BackupAndRestore(folder, keep=3), epochs=3)
    return folder


@pytest.fixture
def resume(training, unbroken):
    """Resumes from a folder, and checks that the end is the unbroken one's."""

    def run(folder, after, capsys, **arguments):
        capsys.readouterr()
        backup = BackupAndRestore(folder, **arguments)
        found = training.fit(backup)
        printed = capsys.readouterr().out
        assert printed == (
            f"Resumes after epoch {after} from {folder}/epoch-{after:06d}\n"
            if after
            else ""
        )
        for one, other in zip(found, unbroken, strict=True):
            np.testing.assert_array_equal(one, other)
        assert [row["epoch"] for row in backup.curve] == [*range(EPOCHS)]
        return backup

    return run
