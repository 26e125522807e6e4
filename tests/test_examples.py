"""The examples in the docstrings of all public functions and classes."""

import contextlib
import doctest
import inspect
import io
import re

import documented
import example_names
import keras
import pytest

import keras_patchdpm as kp

LITERT = "export.litert"
# Examples of a method, beside those of classes and functions.
METHODS = (
    "PatchDPM.ema_weights",
    "PatchDPM.tiled",
    "PatchSampler.draw_noise",
    "PatchSampler.stream",
    "TiledDenoiser.from_diffusers",
)
# Their outputs depend on the data of a user.
ILLUSTRATIVE = (
    "metrics.Extractor",
    "metrics.copies",
    "metrics.frechet_distance",
    "metrics.kernel_distance",
    "metrics.precision_recall",
)
SMALL = {
    '"faces128"': '"tiny"',
    '"diffusion_pytorch_model': '"theirs/diffusion_pytorch_model',
    "(512, 512, 3), patch=128": "(16, 16, 3), patch=8",
    "(512, 512, 3), patch=256": "(16, 16, 3), patch=8",
    "stream(1000)": "stream(8)",
    "model.tiled(1))(500)": "model.tiled(1), steps=1)(2)",
    "steps=18": "steps=2",
    "batch_size=64": "batch_size=32",
}


def public():
    """The public functions and classes, by path."""
    entries = {}
    members = [vars(kp)[name] for name in kp.__all__]
    for room in [kp, *filter(inspect.ismodule, members)]:
        for name in room.__all__:
            one = vars(room)[name]
            if callable(one) and one.__module__.startswith("keras_patchdpm"):
                entries.setdefault(one, f"{room.__name__}.{name}")
    return {path.partition(".")[2]: one for one, path in entries.items()}


PUBLIC = public()
ENTRIES = [*PUBLIC, *METHODS]


def documented_entry(path):
    owner, _, method = path.rpartition(".")
    if path in PUBLIC:
        return PUBLIC[path]
    return inspect.getattr_static(PUBLIC[owner], method)


@pytest.fixture(scope="module")
def names(tmp_path_factory):
    """The names of all examples, and the folders that they read."""
    folder = tmp_path_factory.mktemp("examples")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        documented.write_folders(folder)
        for preset in ("tiny", "runs/photos/preset"):
            example_names.write_preset(folder / preset)
        yield example_names.common()


@pytest.mark.once
def test_there_is_an_example_of_everything():
    for path in ENTRIES:
        assert ">>> " in inspect.getdoc(documented_entry(path)), path


@pytest.mark.once
@pytest.mark.parametrize("path", [one for one in ENTRIES if one != LITERT])
def test_an_example_runs(path, names):
    run_example(path, names)


if keras.backend.backend() == "tensorflow":  # The others cannot export it.

    def test_the_example_of_litert_runs(names):
        run_example(LITERT, names)


def run_example(path, names):
    """Runs an example line by line, and compares what it prints."""
    names = {**names, **example_names.OF_ENTRY.get(path, dict)()}
    text = inspect.getdoc(documented_entry(path))
    for example in doctest.DocTestParser().get_examples(text):
        source = small(example.source)
        if not source.strip():
            continue
        printed = io.StringIO()
        with contextlib.redirect_stdout(printed):
            exec(compile(source, path, "single"), names)  # noqa: S102 (our own)
        shown = re.sub(r"torch.Size\(\[(.*)\]\)", r"(\1)", printed.getvalue())
        flags = doctest.ELLIPSIS | doctest.NORMALIZE_WHITESPACE
        same = doctest.OutputChecker().check_output
        if example.want and path not in ILLUSTRATIVE:
            assert same(example.want, shown, flags), shown


def small(source):
    """The source of an example that takes a moment."""
    source = documented.at_small_size(source)
    for large, little in SMALL.items():
        source = source.replace(large, little)
    return source
