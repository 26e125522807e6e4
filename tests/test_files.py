import errno
import os
import pathlib

import pytest

from keras_patchdpm import _files

pytestmark = pytest.mark.once


def test_a_file_is_replaced_as_a_whole(tmp_path):
    path = tmp_path / "result.bin"
    path.write_bytes(b"before")
    with _files.replacing(path) as file:
        file.write(b"after")
        assert path.read_bytes() == b"before"
    assert path.read_bytes() == b"after"
    assert os.listdir(tmp_path) == ["result.bin"]


@pytest.mark.parametrize("error", [ValueError("bug"), KeyboardInterrupt()])
def test_a_failed_write_changes_nothing(tmp_path, error):
    path = tmp_path / "result.bin"
    path.write_bytes(b"before")
    with pytest.raises(type(error)), _files.replacing(path) as file:
        file.write(b"half")
        raise error
    assert path.read_bytes() == b"before"
    assert os.listdir(tmp_path) == ["result.bin"]


def test_a_full_disk_is_named_and_leaves_nothing(tmp_path):
    path = tmp_path / "result.bin"
    with pytest.raises(OSError, match=r"result\.bin could not be written \(No space"):
        with _files.replacing(path):
            raise OSError(errno.ENOSPC, "No space left on device")
    assert os.listdir(tmp_path) == []


def test_two_writers_do_not_tear_a_file(tmp_path):
    path = tmp_path / "result.bin"
    with _files.replacing(path) as first, _files.replacing(path) as second:
        first.write(b"1" * 9)
        second.write(b"2" * 5)
    assert path.read_bytes() == b"1" * 9


def test_what_cannot_be_written_is_refused_before(tmp_path):
    assert _files.check_writable(tmp_path / "a") == tmp_path / "a"
    with pytest.raises(ValueError, match="There is no folder"):
        _files.check_writable(tmp_path / "none" / "a")
    with pytest.raises(ValueError, match="The path is a folder, not a file"):
        _files.check_writable(tmp_path)
    with pytest.raises(OSError, match="could not be written"):
        _files.check_writable(tmp_path / ("a" * 300))
    with pytest.raises(OSError, match="needs .* bytes"):
        _files.check_writable(tmp_path / "a", size=10**18)
    assert os.listdir(tmp_path) == []


def test_files_of_killed_processes_are_removed(tmp_path):
    abandoned = tmp_path / ".4194305-0123abcd.part"  # No process has that number.
    alive = tmp_path / f".{os.getpid()}-0123abcd.part"
    for path in (abandoned, alive, tmp_path / ".user.part"):
        path.touch()
    _files.check_writable(tmp_path / "a")
    assert sorted(os.listdir(tmp_path)) == sorted([alive.name, ".user.part"])


@pytest.mark.parametrize("value", [None, 3, True, b"x", ["x"], object()])
def test_a_path_must_be_one(value):
    with pytest.raises(TypeError, match="`folder` must be a path. Received: folder="):
        _files.path_of("folder", value)


def test_a_path_may_begin_with_the_home(tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path))
    assert _files.path_of("folder", "~/runs") == tmp_path / "runs"
    for value in ("", "a\0b"):
        with pytest.raises(ValueError, match="`folder` must be a path"):
            _files.path_of("folder", value)


def test_a_folder_is_no_file_and_in_no_file(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "file").touch()
    (tmp_path / "nowhere").symlink_to("missing")
    for value in ("file", "file/a/b", tmp_path / "file" / "a", "nowhere"):
        with pytest.raises(ValueError, match="`out` must be a folder, and .* is a fi"):
            _files.folder_of("out", value)
    assert _files.folder_of("out", "a/b") == pathlib.Path("a/b")
    assert _files.folder_of("out", str(tmp_path)) == tmp_path


def test_a_folder_is_replaced_as_a_whole(tmp_path):
    path = tmp_path / "backup"
    for content in ("before", "after"):
        with _files.replacing_folder(path) as temporary:
            (temporary / "a").write_text(content)
    assert (path / "a").read_text() == "after"
    with pytest.raises(KeyboardInterrupt), _files.replacing_folder(path) as temporary:
        (temporary / "a").write_text("half")
        raise KeyboardInterrupt
    assert (path / "a").read_text() == "after"
    assert os.listdir(tmp_path) == ["backup"]


def test_folders_and_files_are_removed(tmp_path):
    (tmp_path / "folder" / "in it").mkdir(parents=True)
    (tmp_path / "file").touch()
    (tmp_path / "link").symlink_to(tmp_path / "folder")
    for name in ("link", "file", "folder", "nothing"):
        _files.remove_folder(tmp_path / name)
    assert os.listdir(tmp_path) == []


def test_who_is_alone_removes_all_that_was_abandoned(tmp_path):
    (tmp_path / f".{os.getpid()}-0123abcd.part").mkdir()
    (tmp_path / ".1-0123abcd.part").touch()
    (tmp_path / ".user.part").touch()
    _files.remove_abandoned(tmp_path, alone=True)
    assert os.listdir(tmp_path) == [".user.part"]


def test_the_reason_is_found_in_the_text_of_hdf5():
    text = "Can't write data (file write failed: errno = 28, error message = '...')"
    assert _files.reason(OSError(text)) == os.strerror(errno.ENOSPC)
    assert _files.reason(OSError("something")) == "something"
