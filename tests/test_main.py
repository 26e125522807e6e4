"""The command line."""

import numpy as np
import pytest
from PIL import Image

from keras_patchdpm.__main__ import main


def test_sample_writes_a_picture(tmp_path, capsys):
    out = tmp_path / "faces.png"
    assert main(["sample", "--n", "2", "--out", str(out), "--steps", "1"]) == 0
    assert Image.open(out).size == (4 * 64 + 3 * 2, 4 * 64 + 3 * 2)
    assert "16 images" in capsys.readouterr().out
    assert list(tmp_path.iterdir()) == [out]


def test_a_wrong_argument_is_one_line_and_exit_status_2(capsys):
    assert main(["sample", "--n", "7"]) == 2
    error = capsys.readouterr().err
    assert error.startswith("error: The package has no trained model")
    assert "Traceback" not in error


def test_train_then_sample(tmp_path, rng):
    images = rng.integers(0, 256, (8, 16, 16, 3), dtype="uint8")
    np.save(tmp_path / "images.npy", images)
    train = f"train --data {tmp_path}/images.npy --out {tmp_path}/run --minutes 0.001"
    small = "--image-size 16 --width 8 --stem 1 --batch-size 4 --steps-per-epoch 2"
    assert main(f"{train} {small}".split()) == 0
    sample = f"sample --steps 2 --num-images 2 --preset {tmp_path}/run/preset"
    assert main([*sample.split(), "--out", str(tmp_path / "out.png")]) == 0
    assert Image.open(tmp_path / "out.png").size == (2 * 16 + 2, 16)


def test_help_names_the_commands(capsys):
    with pytest.raises(SystemExit) as stop:
        main(["--help"])
    assert stop.value.code == 0
    text = capsys.readouterr().out
    assert "sample" in text
    assert "train" in text


def test_a_path_that_cannot_be_written_is_told_before_the_work(capsys):
    assert main(["sample", "--out", "nowhere/faces.png"]) == 2
    assert "no folder nowhere" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("options", "patching"),
    [
        ("", {"name": "CascadePatching", "divisions": 2}),
        ("--patching grid --n 3", {"name": "GridPatching", "divisions": 3}),
        (
            "--patching grid --position coordinates --halo 2 --moving",
            {
                "name": "GridPatching",
                "divisions": 2,
                "position": "coordinates",
                "halo": 2,
                "moving": True,
            },
        ),
        ("--patching cascade --n 4", {"name": "CascadePatching", "divisions": 4}),
        (
            "--patching crops --image-size 32",
            {"name": "RandomPatching", "image_size": 32, "content": True},
        ),
    ],
)
def test_train_says_what_the_network_sees(options, patching, monkeypatch):
    asked = []
    monkeypatch.setattr("keras_patchdpm.datasets.load_images", lambda *source: None)
    monkeypatch.setattr(
        "keras_patchdpm.training.train", lambda config, *rest: asked.append(config)
    )
    arguments = f"train --data a --out b --minutes 1 {options}".split()
    assert main(arguments) == 0
    assert asked[0]["patching"] == patching


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ("--halo 2", "--patching cascade says by itself"),
        ("--patching crops --moving", "--patching grid. Received: {'moving': True}"),
    ],
)
def test_options_that_contradict_are_refused(options, message, capsys, monkeypatch):
    monkeypatch.setattr("keras_patchdpm.datasets.load_images", lambda *source: None)
    arguments = f"train --data a --out b --minutes 1 {options}".split()
    assert main(arguments) == 2
    assert message in capsys.readouterr().err
