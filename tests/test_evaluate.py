"""`python -m keras_patchdpm evaluate`."""

import json
import os

import numpy as np
import pytest
from PIL import Image

from keras_patchdpm import datasets, metrics
from keras_patchdpm.__main__ import main

pytestmark = pytest.mark.once


@pytest.fixture(autouse=True)
def own_folder(tmp_path, monkeypatch, rng):
    """With samples and reference of 16 x 16 pixels."""
    monkeypatch.chdir(tmp_path)
    scenes = datasets.synthetic_scenes(40, 16)
    np.save("real.npy", scenes[:20])
    noise = rng.normal(0, 30, scenes[20:].shape)
    np.save("samples.npy", (scenes[20:] + noise).clip(0, 255).astype("uint8"))


@pytest.fixture
def batches(monkeypatch):
    """Shapes of the batches of a quick extractor, in the place of those by name."""
    shapes = []

    def colours(images):
        shapes.append(images.shape)
        return images.mean(axis=(1, 2))

    def load_extractor(name, weights=None):
        return metrics.Extractor(colours, name, 8)

    monkeypatch.setattr(metrics, "load_extractor", load_extractor)
    return shapes


def evaluate(*options, reference="real.npy"):
    return main(["evaluate", "samples.npy", "--reference", reference, *options])


def refused(arguments, capsys):
    """Runs a command that must fail; returns its last line of error."""
    try:
        status = main(["evaluate", *arguments])
    except SystemExit as stop:  # By argparse.
        status = stop.code
    printed = capsys.readouterr()
    assert status == 2 and "Traceback" not in printed.err
    return printed.err.strip().splitlines()[-1]


def test_the_extractor_of_the_package(capsys):
    """All the way with MobileNetV2, and few images."""
    options = "--count 4 --batch-size 4 --image-size 12x16 --n 2 --training real.npy"
    assert evaluate(*options.split(), "--out", "result.json") == 0
    printed = capsys.readouterr()
    assert "warning: samples.npy at 12x16 has 4 images, no more than" in printed.err
    result = json.loads(printed.out.splitlines()[-1])
    with open("result.json") as file:
        assert json.load(file) == result
    names = [each["measure"] for each in result["measures"]]
    assert names == ["Frechet distance", "kernel distance", "precision", "recall"]
    for each in result["measures"]:
        assert (each["count"], each["reference_count"]) == (4, 4)
        assert each["source"] == "samples.npy at 12x16"
        assert each["reference"] == "real.npy at 12x16"
        assert each["description"]["extractor"] == "mobilenet_v2"
        assert each["description"]["size"] == [128, 128]
    assert result["image_size"] == [12, 16] and result["copies"] == 0
    (seams,) = result["seam_ratio"]
    assert seams["n"] == 2 and seams["samples"] > 0 < seams["reference"]
    for part in (
        "features: mobilenet_v2 (",
        "bilinear",
        "SHA-256",
        "seam ratio, N = 2",
    ):
        assert part in printed.out
    assert sorted(os.listdir()) == ["real.npy", "result.json", "samples.npy"]


def test_the_measures_are_those_of_the_package(batches, capsys):
    assert evaluate("--batch-size", "8") == 0
    result = json.loads(capsys.readouterr().out.splitlines()[-1])
    extractor = metrics.load_extractor("mobilenet_v2")
    generated, reference = (
        metrics.statistics(np.load(f"{name}.npy"), extractor)
        for name in ("samples", "real")
    )
    values = [each["value"] for each in result["measures"]]
    assert values[0] == pytest.approx(
        float(metrics.frechet_distance(generated, reference))
    )
    assert values[1] == pytest.approx(
        float(metrics.kernel_distance(generated, reference))
    )
    assert values[2:] == [*map(float, metrics.precision_recall(generated, reference))]
    assert (8, 8, 8, 3) in batches


def test_statistics_of_the_reference_are_computed_once(batches, capsys):
    assert evaluate("--statistics", "real.npz") == 0
    first = capsys.readouterr().out.splitlines()
    calls = len(batches)
    assert evaluate("--statistics", "real.npz") == 0
    second = capsys.readouterr().out.splitlines()
    assert len(batches) - calls < calls
    assert "the statistics of real.npy are in real.npz" in second
    assert second[-1] == first[-1]
    assert evaluate(reference="real.npz") == 0
    third = capsys.readouterr().out.splitlines()
    assert third[-1] == first[-1]


def test_statistics_of_other_images_or_extractors_are_refused(batches, capsys):
    assert evaluate("--statistics", "real.npz") == 0
    before = open("real.npz", "rb").read()
    options = ["samples.npy", "--reference", "real.npy", "--statistics", "real.npz"]
    error = refused([*options, "--count", "10"], capsys)
    assert "real.npz has the statistics of other images: 20 of real.npy" in error
    error = refused([*options, "--extractor", "keras_mobilenet_v2"], capsys)
    assert "extractor: keras_mobilenet_v2 and mobilenet_v2" in error
    kept = open("real.npz", "rb").read() == before
    assert kept


def test_a_folder_of_images(batches, capsys):
    os.mkdir("photos")
    for number, image in enumerate(np.load("samples.npy")):
        Image.fromarray(image).save(f"photos/{number:02}.png")
    with open("photos/00.jpg", "wb") as file:
        file.write(b"no image")
    assert main(["evaluate", "photos", "--reference", "samples.npy"]) == 0
    printed = capsys.readouterr()
    assert "'00.jpg': broken" in printed.err
    result = json.loads(printed.out.splitlines()[-1])
    assert result["measures"][0]["value"] == pytest.approx(0, abs=1e-6)
    assert result["measures"][0]["digest"] == result["measures"][0]["reference_digest"]


GOOD = ["samples.npy", "--reference", "real.npy"]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["samples.npy"], "the following arguments are required: --reference"),
        (["none.npy", *GOOD[1:]], "none.npy: No such file"),
        (["none", *GOOD[1:]], "SAMPLES must be a folder of images or a .npy array"),
        (["empty", *GOOD[1:]], "There is no image in empty"),
        (["three.npy", *GOOD[1:]], "need at least 4 images of each set"),
        (["grey.npy", *GOOD[1:]], "must be uint8 of shape"),
        (["samples.npy", "--reference", "none"], "is not a folder"),
        (["samples.npy", "--reference", "three.npy"], "3 images of three.npy"),
        (["samples.npy", "--reference", "no.npz"], "no file at that path"),
        (["samples.npy", "--reference", "bad.npz"], "not a complete file"),
        ([*GOOD, "--extractor", "inception"], "invalid choice: 'inception'"),
        ([*GOOD, "--count", "21"], "samples.npy has 20 images, fewer than --count"),
        ([*GOOD, "--batch-size", "0"], "--batch-size: must be an int of at least 1"),
        ([*GOOD, "--n", "3"], "does not divide into 3x3"),
        ([*GOOD, "--n", "1"], "A grid of one patch has no seams"),
        ([*GOOD, "--out", "none/result.json"], "There is no folder"),
        ([*GOOD, "--statistics", "real.json"], "must end in .npz"),
        ([*GOOD, "--statistics", "bad.npz"], "not a complete file"),
        ([*GOOD, "--training", "none"], "is not a folder"),
        (
            [*GOOD[:2], "bad.npz", "--statistics", "a.npz"],
            "Leave --statistics out",
        ),
    ],
)
def test_refused_before_an_image_is_computed(arguments, message, batches, capsys):
    os.mkdir("empty")
    np.save("three.npy", np.zeros((3, 16, 16, 3), "uint8"))
    np.save("grey.npy", np.zeros((30, 16, 16), "uint8"))
    with open("bad.npz", "wb") as file:
        file.write(b"PK no statistics")
    before = sorted(os.listdir())
    assert message in refused(arguments, capsys)
    assert len(batches) <= 1  # Of the extractor itself, when it is built.
    assert sorted(os.listdir()) == before


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ("--extractor inception_v3", "'inception_v3' needs a file of weights"),
        ("--weights real.npy", "The weights of 'mobilenet_v2' are in the package"),
        ("--extractor inception_v3 --weights real.npy", "PyTorch checkpoint"),
        ("--extractor inception_v3 --weights none.pth", "no file at that path"),
    ],
)
def test_weights_that_are_wrong(options, message, capsys):
    assert message in refused([*GOOD, *options.split()], capsys)


def test_ctrl_c_says_what_is_kept(monkeypatch, capsys):
    def interrupt(*arguments, **options):
        raise KeyboardInterrupt

    monkeypatch.setattr(metrics, "load_extractor", interrupt)
    assert evaluate() == 130
    assert "interrupted. Nothing was saved." in capsys.readouterr().err
    assert evaluate("--statistics", "a.npz") == 130
    assert "a.npz is complete if it exists" in capsys.readouterr().err
