"""One training at a time in a folder."""

import subprocess
import sys
import threading

import filelock
import keras
import pytest

from keras_patchdpm.callbacks import BackupAndRestore, _lock

pytestmark = pytest.mark.once


@pytest.fixture
def other_process(tmp_path):
    """A process that has locked the folder, and would hold it for long."""
    script = (
        "import filelock, time; lock = filelock.FileLock('.lock'); lock.acquire(); "
        "print('locked', flush=True); time.sleep(60)"
    )
    process = subprocess.Popen(
        [sys.executable, "-c", script], cwd=tmp_path, stdout=subprocess.PIPE, text=True
    )
    assert process.stdout.readline() == "locked\n"
    yield process
    process.kill()
    process.wait()
    process.stdout.close()


def free(folder):
    """Whether another process could lock the folder."""
    lock = filelock.FileLock(folder / ".lock", timeout=0)
    try:
        with lock:
            return True
    except filelock.Timeout:
        return False


def test_a_second_process_is_refused_until_the_first_is_killed(
    training, tmp_path, other_process
):
    with pytest.raises(BlockingIOError, match="Another process is training in"):
        training.fit(BackupAndRestore(tmp_path))
    other_process.kill()
    other_process.wait()
    training.fit(BackupAndRestore(tmp_path), epochs=1)
    assert free(tmp_path)


def test_a_second_thread_is_refused(tmp_path):
    caught = []

    def second():
        try:
            _lock.acquire(tmp_path)
        except BlockingIOError as error:
            caught.append(str(error))

    lock = _lock.acquire(tmp_path)
    thread = threading.Thread(target=second)
    thread.start()
    thread.join()
    assert len(caught) == 1 and caught[0].startswith("Another thread is training in")
    lock.release(force=True)
    assert free(tmp_path)


def test_a_lock_of_a_thread_that_has_ended_is_taken_over(tmp_path):
    held = []
    thread = threading.Thread(target=lambda: held.append(_lock.acquire(tmp_path)))
    thread.start()
    thread.join()
    assert _lock.acquire(tmp_path) is held[0]


def test_an_interrupted_fit_can_be_run_again(training, tmp_path):
    class Interrupt(keras.callbacks.Callback):
        def on_train_batch_end(self, batch, logs=None):
            raise KeyboardInterrupt

    first = BackupAndRestore(tmp_path)
    with pytest.raises(KeyboardInterrupt):
        training.fit(first, Interrupt(), epochs=1)
    assert not free(tmp_path)
    training.fit(BackupAndRestore(tmp_path), epochs=1)
    assert free(tmp_path)


def test_an_interrupted_fit_can_leave_the_folder_to_others(training, tmp_path):
    class Interrupt(keras.callbacks.Callback):
        def on_epoch_begin(self, epoch, logs=None):
            raise KeyboardInterrupt

    backup = BackupAndRestore(tmp_path)
    with pytest.raises(KeyboardInterrupt):
        training.fit(backup, Interrupt(), epochs=1)
    backup.release()
    backup.release()
    assert free(tmp_path)
