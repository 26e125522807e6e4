"""The command line."""

import contextlib
import errno
import os

import numpy as np
import pytest
from PIL import Image

import keras_patchdpm
from keras_patchdpm.__main__ import main

pytestmark = pytest.mark.once

TRAIN = ["train", "--data", "images.npy", "--out", "run", "--epochs", "1"]


@pytest.fixture(autouse=True)
def own_folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)


@pytest.fixture
def sampled(monkeypatch):
    """Keyword arguments of every call of `sample`, which generates black images."""
    calls = []

    def sample(**options):
        calls.append(options)
        return np.zeros((options["num_images"], 64, 64, 3), "uint8")

    monkeypatch.setattr(keras_patchdpm, "sample", sample)
    return calls


@pytest.fixture
def trained(monkeypatch, rng):
    """Positional arguments of every call of `train`; there are 64 images to read."""
    calls = []
    np.save("images.npy", rng.integers(0, 256, (64, 64, 64, 3), dtype="uint8"))
    monkeypatch.setattr(
        "keras_patchdpm.training.train",
        lambda *args, **options: calls.append((*args, *options.values())),
    )
    return calls


def refused(arguments, capsys):
    """Runs a command that must fail; returns what it prints, without its usage."""
    try:
        status = main(arguments)
    except SystemExit as stop:  # By argparse.
        status = stop.code
    printed = capsys.readouterr()
    assert status == 2 and not printed.out
    assert "Traceback" not in printed.err
    return printed.err.strip().splitlines()[-1]


def test_sample_writes_a_picture_and_resumes_from_a_checkpoint(capsys):
    sample = "sample --n 2 --steps 1 --num-images 2 --batch-size 1 --checkpoint run.npz"
    assert main([*sample.split(), "--out", "faces.png"]) == 0
    printed = capsys.readouterr().out
    assert "2 images are in faces.png\nrun.npz is no longer needed" in printed
    assert main([*sample.split(), "--out", "again.png"]) == 0
    faces, again = (
        np.asarray(Image.open(f"{name}.png")) for name in ("faces", "again")
    )
    assert faces.shape == (64, 2 * 64 + 2, 3) and faces.std() > 5
    np.testing.assert_array_equal(faces, again)
    assert sorted(os.listdir()) == ["again.png", "faces.png", "run.npz"]


def test_a_wrong_argument_is_one_line_and_exit_status_2(capsys):
    error = refused(["sample", "--n", "7"], capsys)
    assert error.startswith("error: The package has no trained model")


@pytest.mark.parametrize("runtime", ["onnx", "litert"])
def test_export_passes_its_options_on(runtime, monkeypatch, capsys):
    calls = []
    monkeypatch.setattr(
        keras_patchdpm.export, runtime, lambda *args, **options: calls.append(options)
    )
    command = "export --preset faces64_n2 --out folder --steps 20 10 --precision int8"
    assert main([*command.split(), "--format", runtime, "--solver", "ddim"]) == 0
    (options,) = calls
    assert options == {
        "precision": "int8",
        "steps": [20, 10],
        "patches_per_call": 1,
        "solver": "ddim",
    }
    printed = capsys.readouterr().out
    assert "keras_patchdpm_edge folder" in printed and "non-commercial" in printed
    assert "invalid choice" in refused([*command.split(), "--format", "x"], capsys)


def test_train_then_sample(rng):
    """Of images that are not square, and too small for the network's own depth.

    README's folders: the last name of `--out` is also that of a folder of images.
    """
    os.mkdir("photos")
    np.save("images.npy", rng.integers(0, 256, (4, 14, 28, 3), dtype="uint8"))
    small = "--image-size 14x28 --multipliers 1 --width 8 --stem 1 --batch-size 4"
    train = "train --data images.npy --out runs/photos --minutes 0.001"
    assert main([*train.split(), "--steps-per-epoch", "1", *small.split()]) == 0
    sample = "sample --preset runs/photos/preset --num-images 2 --steps 2 --out out.png"
    assert main(sample.split()) == 0
    assert Image.open("out.png").size == (2 * 28 + 2, 14)


def test_what_is_not_given_is_the_presets(sampled):
    assert main(["sample"]) == 0
    assert not {"n", "batch_size", "checkpoint"} & sampled[0].keys()
    assert main(["sample", "--n", "4", "--preset", "faces128"]) == 0
    assert sampled[1]["n"] == 4


def test_the_images_that_a_sampling_starts_from(sampled, rng):
    """An image is resized to what the sampling needs; a folder has one for each."""
    photograph = rng.integers(0, 256, (96, 80, 3), dtype="uint8")
    os.mkdir("photos")
    for name in ("photograph.png", "photos/a.png", "photos/b.jpg"):
        Image.fromarray(photograph).save(name)
    Image.fromarray(np.tile(np.uint8([0, 255]), (64, 32))).save("mask.png")
    edit = "sample --init-images photograph.png --strength 0.4 --mask mask.png"
    assert main(edit.split()) == 0
    assert sampled[0]["num_images"] == 16
    assert sampled[0]["init_images"].shape == (1, 64, 64, 3)
    assert sampled[0]["strength"] == 0.4
    np.testing.assert_array_equal(
        sampled[0]["mask"], np.tile([False, True], (1, 64, 32))
    )
    assert main("sample --n 4 --thumbnails photos".split()) == 0
    assert sampled[1]["num_images"] == 2
    assert sampled[1]["thumbnails"].shape == (2, 64, 64, 3)
    assert main("sample --init-images photos --num-images 2".split()) == 0
    assert sampled[2]["num_images"] == 2


def test_a_share_of_the_images(sampled, rng, capsys):
    """`--indices` are images of the whole run: of given ones their own are used."""
    assert main("sample --indices 3:5".split()) == 0
    assert (sampled[0]["num_images"], sampled[0]["indices"]) == (2, range(3, 5))
    photos = rng.integers(0, 256, (4, 64, 64, 3), dtype="uint8")
    np.save("photos.npy", photos)
    share = "sample --init-images photos.npy --indices"
    assert main([*share.split(), "1:3"]) == 0
    np.testing.assert_array_equal(sampled[1]["init_images"], photos[1:3])
    capsys.readouterr()
    error = refused([*share.split(), "3:5"], capsys)
    assert "--init-images must have the images of the whole run" in error
    assert len(sampled) == 2


def test_the_home_is_expanded(sampled, tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path))
    assert main(["sample", "--out", "~/a.png", "--checkpoint", "~/b.npz"]) == 0
    assert (tmp_path / "a.png").is_file()
    assert sampled[0]["checkpoint"] == str(tmp_path / "b.npz")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ("--out nowhere/faces.png", "There is no folder"),
        ("--init-images nothing.png", "not a folder or image"),
        ("--strength 1.5", "must be a number in [0, 1]"),
        ("--out faces.psd", "must end in .npy or in the suffix of an image"),
        ("--out faces", "must end in .npy"),
        (f"--out {'a' * 300}.png", "could not be written (File name too long)"),
        ("--out folder.png", "The path is a folder, not a file"),
        ("--out pipe.png", "not a regular file"),
        ("--checkpoint nowhere/a.npz", "There is no folder"),
        ("--num-images 1000000000000", "need 10.91 PiB of memory"),
        ("--num-images 0", "--num-images: must be an int of at least 1, not '0'"),
        ("--indices 4", "--indices: must be A:B, such as 0:64, not '4'"),
        ("--indices 4:4", "--indices: B must be above A in A:B, not '4:4'"),
        ("--indices=-1:4", "must be an int of at least 0"),
        ("--indices 0:4 --num-images 5", "Leave --num-images out"),
        ("--workers 2", "--workers needs --ray"),
        ("--ray --workers 0", "--workers: must be an int of at least 1"),
        ("--ray --checkpoint a.npz", "--ray writes no checkpoint"),
        ("--num-images 1e3", "--num-images: must be an int"),
        ("--steps -5", "--steps: must be an int of at least 1"),
        ("--seed -1", "--seed: must be an int of at least 0"),
        ("--n 1.5", "--n: must be an int"),
        ("--n True", "--n: must be an int"),
        ("--patches-per-call 0", "--patches-per-call: must be an int"),
        ("--preset nothing", "There is no preset"),
        (
            "--step 5 --foo 3",
            "keras_patchdpm sample: error: unrecognized arguments: --foo",
        ),
    ],
)
def test_sample_refuses_before_the_work(arguments, message, sampled, capsys):
    os.mkdir("folder.png")
    os.mkfifo("pipe.png")
    assert message in refused(["sample", *arguments.split()], capsys)
    assert sampled == [] and sorted(os.listdir()) == ["folder.png", "pipe.png"]


def test_a_folder_that_is_read_only_is_known_before(sampled, capsys, monkeypatch):
    def refuse(*args, **options):
        raise PermissionError(errno.EACCES, "Permission denied")

    monkeypatch.setattr("pathlib.Path.touch", refuse)
    error = refused(["sample"], capsys)
    assert error.startswith(
        "error: samples.png could not be written (Permission denied)"
    )
    assert sampled == []


def test_a_full_disk_is_known_before(sampled, capsys, monkeypatch):
    usage = type("Usage", (), {"free": 1000})
    monkeypatch.setattr("shutil.disk_usage", lambda path: usage)
    assert "samples.png needs 196608 bytes" in refused(["sample"], capsys)
    assert sampled == []


@pytest.mark.parametrize(
    ("error", "message"),
    [
        (MemoryError("7 TiB"), "error: out of memory (7 TiB). Choose fewer"),
        (
            PermissionError(13, "Permission denied", "a.npz"),
            "error: a.npz: Permission den",
        ),
        (OSError("the disk is gone"), "error: the disk is gone"),
        (ImportError("no backend"), "error: no backend"),
    ],
)
def test_errors_are_one_line(error, message, capsys, monkeypatch):
    def fail(**options):
        raise error

    monkeypatch.setattr(keras_patchdpm, "sample", fail)
    assert refused(["sample"], capsys).startswith(message)


@pytest.mark.parametrize(
    ("command", "message"),
    [
        (["sample"], "Nothing was saved. With --checkpoint FILE, the same command can"),
        (["sample", "--checkpoint", "a.npz"], "resumes from a.npz"),
        (TRAIN, "The backups are in run: the same command resumes"),
    ],
)
def test_ctrl_c_says_what_is_kept(command, message, trained, capsys, monkeypatch):
    def interrupt(*args, **options):
        raise KeyboardInterrupt

    monkeypatch.setattr(keras_patchdpm, "sample", interrupt)
    monkeypatch.setattr("keras_patchdpm.training.train", interrupt)
    assert main(command) == 130
    error = capsys.readouterr().err
    assert error.startswith("error: interrupted. ") and message in error
    assert len(error.splitlines()) == 1


def test_help_explains_each_command(capsys):
    told = {}
    for command in ([], ["sample"], ["train"], ["evaluate"], ["export"]):
        with pytest.raises(SystemExit, match="^0$"):
            main([*command, "--help"])
        told["".join(command)] = " ".join(capsys.readouterr().out.split())
    assert {"sample", "train", "evaluate", "export", "keras_patchdpm.memory"} <= set(
        told[""].replace("`", "").split()
    )
    for command in ("sample", "train"):
        assert "the image is cut into N x N patches" in told[command]
        assert "faces128, faces64_n2" in told[command]
    for default in (
        "16, or one for each of several that are given",
        "the preset's, or 50",
        "samples.png",
        "the preset's own, or 2",
    ):
        assert f"(default: {default})" in told["sample"]
    for default in ("64", "0.001", "100", "mixed_bfloat16", "cascade", "--image-size"):
        assert f"(default: {default})" in told["train"]
    for default in ("mobilenet_v2", "32", "all", "the size of the first image of SAMP"):
        assert f"(default: {default}" in told["evaluate"]
    for default in ("float32", "the preset's, or 50", "1"):
        assert f"(default: {default}" in told["export"]


def test_version(capsys):
    with pytest.raises(SystemExit, match="^0$"):
        main(["--version"])
    assert capsys.readouterr().out == f"keras_patchdpm {keras_patchdpm.__version__}\n"


@pytest.mark.parametrize(
    ("options", "patching"),
    [
        ("", {"name": "CascadePatching", "divisions": 2}),
        ("--patching grid --n 3", {"name": "GridPatching", "divisions": 3}),
        (
            "--patching grid --position coordinates --halo 2 --shift",
            {
                "name": "GridPatching",
                "divisions": 2,
                "position": "coordinates",
                "halo": 2,
                "shift": True,
            },
        ),
        ("--patching cascade --n 4", {"name": "CascadePatching", "divisions": 4}),
        (
            "--patching crops --image-size 32",
            {"name": "RandomPatching", "image_size": 32, "content": True},
        ),
    ],
)
def test_train_says_what_the_network_sees(options, patching, trained):
    assert main([*TRAIN, *options.split()]) == 0
    assert "augmentation" not in trained[0][0]
    chosen = dict(trained[0][0]["patching"])
    scales = chosen.pop("detail_scale", [])  # Measured.
    assert chosen == patching
    stages = patching["divisions"].bit_length() if "Cascade" in patching["name"] else 1
    assert len(scales) == stages - 1 and all(0 < scale < 2 for scale in scales)


def test_train_passes_its_options_on(trained, capsys):
    options = "--image-size 32x48 --multipliers 1 2 --seed 7 --learning-rate 1e-3"
    options += " --augment 0.15"
    assert main([*TRAIN, *options.split()]) == 0
    config, images, *_, settings = trained[0]
    assert config["network"]["image_size"] == [32, 48]
    assert config["network"]["multipliers"] == [1, 2]
    chosen = {"name": "GeometricAugmentation", "probability": 0.15}
    assert config["augmentation"] == chosen
    assert images.shape == (64, 32, 48, 3)
    assert settings.seed == 7 and settings.learning_rate == 1e-3
    assert "64 images of images.npy are used" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ("--halo 2", "need --patching grid"),
        ("--patching crops --shift", "--patching crops, {'shift': True}"),
        ("--learning-rate -1", "--learning-rate: must be a number above 0, not '-1'"),
        ("--learning-rate nan", "--learning-rate: must be a number above 0"),
        ("--ema-share 2", "--ema-share: must be a number in"),
        ("--augment 12", "--augment: must be a number in [0, 1], not '12'"),
        ("--minutes 0", "--minutes: must be a number above 0"),
        ("--minutes inf", "--minutes: must be"),
        ("--epochs 0", "--epochs: must be an int of at least 1"),
        (
            "--batch-size 65",
            "There are 64 images, fewer than one batch needs. Pass --batch",
        ),
        ("--image-size 4x5x6", "--image-size: must be pixels or HxW"),
        ("--image-size 4x", "--image-size: must be an int"),
        ("--image-size 65", "Received: source='images.npy', smallest=(65, 65)."),
        ("--prediction v", "argument --prediction: invalid choice: 'v'"),
        ("--data nofile.npy", "error: nofile.npy: No such file or directory"),
        ("--data nofolder", "is not a folder"),
        ("--out images.npy", "`--out` must be a folder"),
        ("--out images.npy/run", "images.npy"),
    ],
)
def test_train_refuses_before_the_work(options, message, trained, capsys):
    with contextlib.redirect_stdout(None):
        found = refused([*TRAIN, *options.split()], capsys)
    assert message in found
    assert trained == [] and os.listdir() == ["images.npy"]


def test_train_needs_an_end(trained, capsys):
    assert "--minutes, --epochs or both" in refused(TRAIN[:-2], capsys)


def test_train_says_what_was_read_and_what_was_not(trained, capsys, rng):
    os.mkdir("photos")
    for name in ("a.png", "b.png"):
        image = rng.integers(0, 256, (8, 8, 3), dtype="uint8")
        Image.fromarray(image).save(f"photos/{name}")
    with open("photos/broken photo.jpg", "wb") as file:
        file.write(b"no image")
    photos = [*TRAIN, "--data", "photos", "--image-size", "8", "--batch-size", "2"]
    assert main(photos) == 0
    printed = capsys.readouterr()
    assert "2 images of photos are used" in printed.out
    assert printed.err.startswith(
        "warning: 2 images were read from photos. Not read: 1"
    )
    assert "'broken photo.jpg': broken" in printed.err and ".py" not in printed.err
    assert "'broken photo.jpg' in photos cannot" in refused(
        [*photos, "--strict"], capsys
    )


@pytest.mark.parametrize("error", [OSError("no processes"), MemoryError(), TypeError()])
def test_the_memory_command_fails_in_one_line(error, capsys, monkeypatch):
    from keras_patchdpm.memory import __main__ as command

    def fail(*args):
        raise error

    monkeypatch.setattr(command, "_report", fail)
    with pytest.raises(SystemExit, match="^2$"):
        command.main([])
    assert "Traceback" not in capsys.readouterr().err
    error = KeyboardInterrupt()
    assert command.main([]) == 130


def test_a_disk_that_becomes_full(sampled, capsys, monkeypatch):
    def full(handle):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr("os.fsync", full)
    for name in ("a.png", "a.jpg", "a.npy"):
        error = refused(["sample", "--out", name], capsys)
        assert error.startswith(f"error: {name} could not be written (No space left")
    assert os.listdir() == []
