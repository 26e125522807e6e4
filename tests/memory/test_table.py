"""The table of profiles, the command that prints it, reports as data."""

import dataclasses
import inspect
import json

import keras
import pytest

from keras_patchdpm.memory import MemoryReport, ProfileReport, table
from keras_patchdpm.memory import __main__ as command

pytestmark = pytest.mark.once

MEBIBYTE = 2**20
MEASURED = MemoryReport(
    bytes=40 * MEBIBYTE,
    method="some_method()",
    device="CPU:0",
    library="oneDNN",
    exact=False,
    backend="tensorflow 2.21.0, keras 3.15.1",
    notes=("A note.",),
)


def report(divisions, activations, **changes):
    """A profile with weights of 10 MiB."""
    values = {
        "weights": 10 * MEBIBYTE,
        "activations": int(activations * MEBIBYTE),
        "seconds": 0.25,
        "divisions": divisions,
        "batch_size": 4,
        "patches_per_call": 1,
        "measured": MEASURED,
    }
    return ProfileReport(**{**values, **changes})


REPORTS = [report((2, 2), 10), report((1, 1), 40), report((2, 3), 5.04)]


def cells(text):
    """The table's rows as lists of text."""
    lines = [line for line in text.splitlines() if line.startswith("|")]
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in lines]


def test_rows_and_ratios():
    header, rule, *rows = cells(table(REPORTS))
    assert header[0] == "N" and "MiB" in header[2] and header[-1] == "seconds"
    assert all(set(cell) == {"-", ":"} for cell in rule)
    assert rows == [
        ["2", "10.0", "10.0", "20.0", "0.250", "0.400", "0.250"],
        ["1", "10.0", "40.0", "50.0", "1.000", "1.000", "0.250"],
        ["2x3", "10.0", "5.0", "15.0", "0.126", "0.301", "0.250"],
    ]


def test_lines_are_of_one_width():
    lines = [line for line in table(REPORTS).splitlines() if line.startswith("|")]
    assert len(set(map(len, lines))) == 1


def test_no_ratio_without_the_whole_image():
    _, _, two, unknown = cells(table([report((2, 2), 10), report(None, 5)]))
    assert two[4:6] == unknown[4:6] == ["-", "-"]
    assert unknown[0] == "-"


def test_the_table_says_how_it_was_measured():
    text = table(REPORTS)
    for part in ("images 4", "patches of each 1", *dataclasses.astuple(MEASURED)[1:4]):
        assert part in text
    assert MEASURED.backend in text and "A note." in text


@pytest.mark.parametrize(
    ("other", "name"),
    [
        (report((1, 1), 40, batch_size=1), "batch_size"),
        (report((1, 1), 40, patches_per_call=2), "patches_per_call"),
        (
            report((1, 1), 40, measured=dataclasses.replace(MEASURED, library="Eigen")),
            "library",
        ),
    ],
)
def test_different_settings_are_not_compared(other, name):
    with pytest.raises(ValueError, match=f"different `{name}`.*Received: {name}="):
        table([REPORTS[0], other])


@pytest.mark.parametrize("reports", [REPORTS[0], None, 3, ["text"], [None]])
def test_a_table_is_of_reports(reports):
    with pytest.raises(TypeError, match="`reports` must"):
        table(reports)


def test_small_models_are_not_rounded_to_nothing():
    small = report((1, 1), 0.03, weights=9 * 2**10)
    assert "weights 9.0 KiB, activations 30.7 KiB, peak 39.7 KiB" in str(small)
    _, _, row = cells(table([small]))
    assert row[1:4] == ["0.0088", "0.03", "0.039"]
    assert "40.0 MiB" in str(MEASURED)
    tiny = dataclasses.replace(MEASURED, bytes=512)
    assert "0.5 KiB at the peak" in str(tiny)


def test_a_table_needs_a_report():
    with pytest.raises(ValueError, match="at least one report"):
        table([])


@pytest.mark.parametrize("divisions", [(2, 3), None])
def test_a_report_survives_json(divisions):
    first = report(divisions, 3)
    assert ProfileReport.from_dict(json.loads(json.dumps(first.to_dict()))) == first


def test_reports_can_be_read():
    text = str(report((2, 2), 10))
    for part in ("10.0 MiB", "20.0 MiB", "0.250 s", "2x2", "some_method()", "oneDNN"):
        assert part in text
    assert "40.0 MiB" in str(MEASURED)


@pytest.mark.parametrize(
    ("network", "expected"),
    [
        ("unet", {"image_size": 64, "patching": (2, 2), "width": 16}),
        ("arakawa_unet", {"image_size": 64, "divisions": 2, "dim": 16}),
    ],
)
def test_the_command(network, expected, monkeypatch, capsys):
    build = getattr(command.networks, network)
    built = []

    def stub(*args, **kwargs):
        built.append(inspect.signature(build).bind(*args, **kwargs).arguments)

    def profile(network, divisions, batch_size, patches_per_call, isolated):
        assert isolated and batch_size == 2 and patches_per_call == 1
        return report((divisions, divisions), 40 / divisions**2)

    monkeypatch.setattr(command.networks, network, stub)
    monkeypatch.setattr(command, "profile", profile)
    arguments = f"--network {network} --dim 16 --image-size 64 --batch-size 2"
    command.main([*arguments.split(), "--divisions", "1", "2"])
    printed = capsys.readouterr().out
    if "patching" in built[-1]:
        built[-1]["patching"] = built[-1]["patching"].grid.divisions
    assert built[-1] == expected
    assert [row[4] for row in cells(printed)[2:]] == ["1.000", "0.250"]
    last = printed.splitlines()[-1]
    assert f"KERAS_BACKEND={keras.backend.backend()} " in last
    assert f"python -m keras_patchdpm.memory {arguments} --divisions 1 2" in last


def test_the_command_refuses_a_grid_that_does_not_divide(capsys):
    with pytest.raises(SystemExit):
        command.main("--dim 16 --image-size 64 --divisions 3".split())
    message = capsys.readouterr().err
    assert "does not divide" in message and "Traceback" not in message
