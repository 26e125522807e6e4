"""A training that is killed ends, once resumed, where an unbroken one ends."""

import errno
import os
import shutil

import keras
import numpy as np
import pytest
from fresh_python import run_python
from plain_training import Training

from keras_patchdpm import _files, runtime
from keras_patchdpm.callbacks import BackupAndRestore, _variables


class Stop(keras.callbacks.Callback):
    """Raises in the middle of an epoch."""

    def __init__(self, epoch, error=KeyboardInterrupt):
        super().__init__()
        self.epoch, self.error = epoch, error

    def on_epoch_begin(self, epoch, logs=None):
        self.now = epoch

    def on_train_batch_end(self, batch, logs=None):
        if self.now == self.epoch and batch == 1:
            raise self.error


def names(folder):
    return sorted(path.name for path in folder.iterdir() if path.name != ".lock")


def epochs(*numbers):
    return [f"epoch-{number:06d}" for number in numbers]


@pytest.mark.parametrize("at", [0, 1, 3])
def test_a_stopped_training_ends_as_the_unbroken_one(
    at, training, tmp_path, resume, capsys
):
    with pytest.raises(KeyboardInterrupt):
        training.fit(BackupAndRestore(tmp_path), Stop(at))
    resume(tmp_path, at, capsys)
    assert names(tmp_path) == epochs(3, 4)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("optimizer", "dtype"),
    [
        (lambda: keras.optimizers.SGD(0.1, momentum=0.9), "mixed_float16"),
        (lambda: keras.optimizers.Adam(0.1, gradient_accumulation_steps=2), "float32"),
    ],
)
def test_loss_scales_and_accumulated_gradients_are_kept(optimizer, dtype, tmp_path):
    keras.config.set_dtype_policy(dtype)
    training = Training(optimizer())
    expected = training.fit(epochs=3)
    training.fit(BackupAndRestore(tmp_path), epochs=1)
    found = training.fit(BackupAndRestore(tmp_path), epochs=3)
    for one, other in zip(found, expected, strict=True):
        np.testing.assert_array_equal(one, other)


def test_a_finished_training_is_left_as_it_is(training, unbroken, three, capsys):
    at_three = training.fit(epochs=3)
    for _ in range(2):
        found = training.fit(BackupAndRestore(three), epochs=3)
        for one, other in zip(found, at_three, strict=True):
            np.testing.assert_array_equal(one, other)
    assert "epoch-000003: nothing is left to train" in capsys.readouterr().out
    assert names(three) == epochs(1, 2, 3)


@pytest.mark.once
def test_a_later_fit_starts_at_the_first_epoch(training, three):
    """Keras' own callback leaves the epoch in the model, which then trains nothing."""
    training.fit(BackupAndRestore(three))
    training.reset()
    history = training.model.fit(training.x, training.y, epochs=2, verbose=0)
    assert len(history.epoch) == 2


@pytest.mark.once
def test_backups_are_written_as_often_as_asked(training, tmp_path):
    training.fit(BackupAndRestore(tmp_path, every_epochs=3, keep=5), epochs=7)
    assert names(tmp_path) == epochs(3, 6, 7)
    training.fit(BackupAndRestore(tmp_path, keep=1), epochs=8)
    assert names(tmp_path) == epochs(8)


def test_the_curve_is_that_of_all_calls(training, three):
    class Diverge(keras.callbacks.Callback):
        def on_epoch_end(self, epoch, logs):
            logs["rate"] = np.float32(0.1) if epoch else np.nan

    whole = BackupAndRestore(three / "whole")
    training.fit(Diverge(), whole)
    part = BackupAndRestore(three / "part")
    training.fit(Diverge(), part, epochs=2)
    part = BackupAndRestore(three / "part")
    training.fit(Diverge(), part)
    assert repr(part.curve) == repr(whole.curve)
    assert np.isnan(part.curve[0]["rate"]) and part.curve[1]["rate"] == np.float32(0.1)


# What a kill leaves, at each point of the writing of the backup of epoch 3.


@pytest.mark.once
def test_killed_before_the_rename(three, resume, capsys):
    os.rename(three / "epoch-000003", three / ".1-0123abcd.part")
    resume(three, 2, capsys)
    assert names(three) == epochs(3, 4)


@pytest.mark.once
def test_killed_within_the_variables(three, resume, capsys):
    part = three / f".{os.getpid()}-0123abcd.part"  # Containers reuse the number.
    os.rename(three / "epoch-000003", part)
    (part / "state.json").unlink()
    os.truncate(part / "variables.npz", 100)
    resume(three, 2, capsys)
    assert names(three) == epochs(3, 4)


@pytest.mark.once
def test_killed_before_older_backups_are_removed(three, resume, capsys):
    resume(three, 3, capsys)
    assert names(three) == epochs(3, 4)


@pytest.mark.once
def test_killed_while_an_older_backup_is_removed(three, resume, capsys):
    half = three / ".1-0123abcd.part"
    os.rename(three / "epoch-000001", half)
    (half / "state.json").unlink()
    resume(three, 3, capsys)
    assert names(three) == epochs(3, 4)


def _flip(path, share):
    content = bytearray(path.read_bytes())
    content[int(share * len(content))] ^= 1
    path.write_bytes(content)


def _folder_to_file(path):
    shutil.rmtree(path)
    path.touch()


def _pipe(path):
    path.unlink()
    os.mkfifo(path)


DAMAGES = {
    "variables cut": lambda b, old: os.truncate(b / "variables.npz", 2000),
    "variables empty": lambda b, old: os.truncate(b / "variables.npz", 0),
    "variables gone": lambda b, old: (b / "variables.npz").unlink(),
    "variables of the epoch before": lambda b, old: shutil.copy(
        old / "variables.npz", b / "variables.npz"
    ),
    "variables a pipe": lambda b, old: _pipe(b / "variables.npz"),
    "a bit of a weight": lambda b, old: _flip(b / "variables.npz", 0.1),
    "a bit of another": lambda b, old: _flip(b / "variables.npz", 0.6),
    "state empty": lambda b, old: os.truncate(b / "state.json", 0),
    "state cut": lambda b, old: os.truncate(b / "state.json", 150),
    "state gone": lambda b, old: (b / "state.json").unlink(),
    "state old": lambda b, old: shutil.copy(old / "state.json", b / "state.json"),
    "state no dict": lambda b, old: (b / "state.json").write_text("[1]"),
    "state no text": lambda b, old: (b / "state.json").write_bytes(b"\xff\x00"),
    "state too deep": lambda b, old: (b / "state.json").write_text("[" * 10**5),
    "state without checksum": lambda b, old: (b / "state.json").write_text("{}"),
    "a bit of the state": lambda b, old: _flip(b / "state.json", 0.2),
    "a bit of the curve": lambda b, old: _flip(b / "state.json", 0.5),
    "all old": lambda b, old: (shutil.rmtree(b), shutil.copytree(old, b)),
    "a file": lambda b, old: _folder_to_file(b),
}


@pytest.mark.once
@pytest.mark.parametrize("damage", DAMAGES.values(), ids=DAMAGES)
def test_a_damaged_backup_is_skipped_and_named(damage, three, resume, capsys):
    damage(three / "epoch-000003", three / "epoch-000002")
    with pytest.warns(UserWarning, match=r"Skipped the backup .*epoch-000003: "):
        resume(three, 2, capsys)
    assert names(three) == epochs(3, 4)


@pytest.mark.once
def test_nothing_starts_where_all_backups_are_damaged(training, three):
    for name in epochs(1, 2, 3):
        os.truncate(three / name / "variables.npz", 2000)
    before = names(three)
    with pytest.raises(ValueError, match="All backups in .* damaged.*000003.*000001.*"):
        training.fit(BackupAndRestore(three))
    assert names(three) == before


@pytest.mark.once
def test_a_backup_of_keras_is_not_started_over(training, tmp_path):
    (tmp_path / "latest.weights.h5").touch()
    with pytest.raises(ValueError, match=r"contains a backup of `keras\.callbacks"):
        training.fit(BackupAndRestore(tmp_path))


# Disks that are full or may not be written.


@pytest.mark.once
@pytest.mark.parametrize("written", [0, 100])
def test_a_full_disk_leaves_the_backup_before(
    written, training, tmp_path, resume, capsys, monkeypatch
):
    def fail(model, file):
        if int(model.optimizer.iterations) < 3 * 2:
            return save(model, file)
        file.write(b"x" * written)
        raise OSError(errno.ENOSPC, "No space left on device")

    save = _variables.save
    monkeypatch.setattr(_variables, "save", fail)
    with pytest.raises(OSError, match=r"epoch 2 .*\(No space.*same call") as caught:
        training.fit(BackupAndRestore(tmp_path))
    assert caught.value.errno == errno.ENOSPC and str(tmp_path) in str(caught.value)
    assert names(tmp_path) == epochs(1)
    monkeypatch.undo()
    resume(tmp_path, 1, capsys)


@pytest.mark.once
def test_a_disk_too_small_is_known_before(training, tmp_path, monkeypatch):
    usage = shutil.disk_usage(tmp_path)._replace(free=1000)
    monkeypatch.setattr(_files.shutil, "disk_usage", lambda path: usage)
    begun = Stop(0, AssertionError)
    with pytest.raises(OSError, match="needs .* bytes, and .* has 1000 left"):
        training.fit(begun, BackupAndRestore(tmp_path))
    assert names(tmp_path) == [] and not hasattr(begun, "now")


@pytest.mark.once
@pytest.mark.slow
def test_limits_of_the_system(tmp_path):
    """A file-size limit, a read-only folder, a file in the folder's place."""
    script = """
        import os, resource
        import numpy as np, keras
        from keras_patchdpm.callbacks import BackupAndRestore
        from keras_patchdpm.training import _arguments
        model = keras.Sequential([keras.Input((50,)), keras.layers.Dense(50)])
        model.compile("adam", "mse")
        x = np.ones((2, 50), "float32")
        def fit(folder, epochs=1):
            backup = BackupAndRestore(folder)
            model.fit(x, x, epochs=epochs, verbose=0, callbacks=[backup])
        def fails(*arguments):
            try:
                fit(*arguments)
            except OSError as error:
                print(type(error).__name__, error)
            else:
                print("no error")
        fit("a")
        none = resource.RLIM_INFINITY
        for limit in (0, 100, 5000, 20000):
            resource.setrlimit(resource.RLIMIT_FSIZE, (limit, none))
            fails("a", 2)
            resource.setrlimit(resource.RLIMIT_FSIZE, (none, none))
            found = sorted(set(os.listdir("a")) - {".lock"})
            assert found == ["epoch-000001"], found
        fit("a", 2)
        os.mkdir("locked")
        os.chmod("locked", 0o555)
        os.chmod(".", 0o755)
        if os.getuid() == 0:
            os.setuid(65534)
        fails("locked")
        fails("locked/new")
        for folder in ("locked", "locked/new"):
            try:
                _arguments.folder(folder)
            except OSError as error:
                print(type(error).__name__, error)
        assert os.listdir("locked") == []
    """
    result = run_python(script, cwd=tmp_path)
    assert result.returncode == 0, result.stderr
    lines = [line for line in result.stdout.splitlines() if "Resumes" not in line]
    assert len(lines) == 8
    assert all("files are limited to" in line for line in lines[:4]), lines
    assert all("PermissionError" in line for line in lines[4:])


@pytest.mark.once
def test_a_file_is_no_folder_for_backups(tmp_path):
    (tmp_path / "file").touch()
    for folder in (tmp_path / "file", tmp_path / "file" / "backup"):
        with pytest.raises(ValueError, match="`folder` must be a folder, and .* is a"):
            BackupAndRestore(folder)


# Backups of something else.


@pytest.mark.once
def test_other_settings_are_refused_by_name(training, tmp_path):
    kept = {"batch_size": 2, "network": {"width": 8, "stem": [1, 2]}}
    training.fit(BackupAndRestore(tmp_path, settings=kept), epochs=1)
    given = {"network": {"width": 16, "stem": (1, 2)}, "flip": True}
    with pytest.raises(ValueError) as error:
        training.fit(BackupAndRestore(tmp_path, settings=given))
    message = str(error.value)
    assert "batch_size: the folder has 2, the call nothing" in message
    assert "network.width: the folder has 8, the call 16" in message
    assert "flip: the folder has nothing, the call True" in message
    assert "stem" not in message and "another folder" in message
    training.fit(BackupAndRestore(tmp_path, settings=kept))


@pytest.mark.parametrize("units", [4, 5])
def test_another_model_or_optimizer_is_refused(units, three):
    """Keras' own callback skips the optimizer of another with a warning."""
    layers = [keras.Input((3,)), keras.layers.Dense(units), keras.layers.Dense(1)]
    model = keras.Sequential(layers)
    model.compile("sgd", "mse")
    x, y = np.ones((2, 3)), np.ones((2, 1))
    with pytest.raises(ValueError, match="another model or optimizer: it has Adam"):
        model.fit(x, y, verbose=0, callbacks=[BackupAndRestore(three)])


@pytest.mark.once
@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"folder": 3}, "`folder` must be a path"),
        ({"every_epochs": 0}, "`every_epochs` must be at least 1"),
        ({"keep": True}, "`keep` must be an int"),
        ({"settings": 3}, "`settings` must be a dict"),
        ({"settings": {"a": object()}}, "`settings` may contain"),
        ({"settings": {"a": float("nan")}}, "`settings` may contain"),
    ],
)
def test_wrong_arguments_are_refused(arguments, message):
    with pytest.raises((TypeError, ValueError), match=message):
        BackupAndRestore(**{"folder": "a", **arguments})


@pytest.mark.once
def test_a_further_process_waits_for_the_folder_and_writes_nothing(
    training, tmp_path, monkeypatch
):
    folder = tmp_path / "backup"
    compared = []

    def same_in_all(number):
        """As if the first process had been slow, and had created the folder."""
        folder.mkdir(exist_ok=True)
        compared.append(number)
        return True

    monkeypatch.setattr(runtime, "processes", lambda: (2, 1))
    monkeypatch.setattr(runtime, "same_in_all", same_in_all)
    training.fit(BackupAndRestore(folder))
    assert compared == [0, -1] and not [*folder.iterdir()]
