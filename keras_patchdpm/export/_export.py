"""Writes a model as a folder for ONNX Runtime or LiteRT."""

import functools
import importlib.metadata
import json
import numbers
import pathlib
import shutil
import tempfile

import keras_patchdpm_edge.folder as edge
from keras_patchdpm import _checks, _files
from keras_patchdpm.export import _description, _networks
from keras_patchdpm.patching import TiledModel
from keras_patchdpm.presets import CARD, Provenance
from keras_patchdpm.samplers import PatchSampler

DEFAULTS = {"solver": "ddim", "steps": 50}  # For a model without settings.
_CARD = """# An exported patch diffusion model

Written by `keras_patchdpm.export`. Images: `python -m keras_patchdpm_edge FOLDER`.
"""


def onnx(
    model,
    folder,
    *,
    precision="float32",
    steps=None,
    patches_per_call=1,
    card=None,
    **settings,
):
    """Writes a model for ONNX Runtime: `.onnx` files and one of numbers.

    `keras_patchdpm_edge.sample` generates images from the folder, with NumPy and
    ONNX Runtime alone. Keras exports the network on TensorFlow and PyTorch.

    Args:
        model: `PatchDPM`, or what its `tiled` returns, in float32.
        folder: Path. The folder is created. An export in it is replaced, other files
            in it stay.
        precision: How large weights are stored: `"float32"`, `"float16"` or `"int8"`,
            the last with a scale for each output channel. Networks compute in float32.
            Fewer bits make the file smaller; how much memory they save depends on the
            runtime. Default `"float32"`.
        steps: Positive int, or a sequence of them: the numbers of steps that can be
            chosen later; the first is the default. Default `None`: that of the model's
            settings, or 50.
        patches_per_call: Positive int. Patches that the network computes together; it
            is fixed in the file. Default 1.
        card: String, the text of `card.md`: what the model generates, its licence.
            Default `None`: the card of the preset that the model was loaded from, or
            one line.
        **settings: `solver`, `spacing` and `guidance` of `PatchSampler`. They override
            the settings of the model, `model.set_sampling`.

    Raises:
        TypeError: If an argument has the wrong type.
        ValueError: If an argument is out of range, the model is not in float32, needs a
            decoder or has inputs that cannot be exported, or the backend cannot export.
        ImportError: If a package is missing: `pip install 'keras-patchdpm[export]'`.
        RuntimeError: If a file predicts other numbers than Keras.
        OSError: If a file cannot be written.

    Example:

    >>> model = kp.PatchDPM.from_preset("faces128")
    >>> kp.export.onnx(model, "faces128_onnx", steps=[20, 10])
    >>> images = keras_patchdpm_edge.sample("faces128_onnx", n=2)
    """
    _export(
        model,
        folder,
        "onnx",
        precision=precision,
        steps=steps,
        patches_per_call=patches_per_call,
        card=card,
        settings=settings,
    )


def litert(
    model,
    folder,
    *,
    precision="float32",
    steps=None,
    patches_per_call=1,
    card=None,
    **settings,
):
    """Writes a model for LiteRT: `.tflite` files and one of numbers.

    `keras_patchdpm_edge.sample` generates images from the folder, with NumPy and LiteRT
    (`ai-edge-litert`) alone. Keras exports the network on TensorFlow.

    Args:
        model, folder, precision, steps, patches_per_call, card, **settings: See
            `export.onnx`.

    Raises:
        TypeError, ValueError, ImportError, RuntimeError, OSError: As `export.onnx`.

    Example:

    >>> model = kp.PatchDPM.from_preset("faces128")
    >>> kp.export.litert(model, "faces128_litert", precision="int8")
    >>> images = keras_patchdpm_edge.sample("faces128_litert", n=2)
    """
    _export(
        model,
        folder,
        "litert",
        precision=precision,
        steps=steps,
        patches_per_call=patches_per_call,
        card=card,
        settings=settings,
    )


def _export(
    model, folder, runtime, *, precision, steps, patches_per_call, card, settings
):
    """Writes the folder: see `onnx`."""
    _checks.one_of("precision", precision, tuple(_networks.TOLERANCES))
    folder = _files.folder_of("folder", folder)
    if not isinstance(model, TiledModel):
        _checks.like(
            "model", model, asked=("sampler", "provenance"), example="PatchDPM(...)"
        )
    licence = _provenance(model).licence
    cards = _cards(model, None if card is None else _checks.string("card", card))
    settings = {**settings, "patches_per_call": patches_per_call}
    samplers = samplers_of(model, steps, settings)
    models = models_of(samplers[0])
    _networks.check_route(runtime, precision)
    described = description(samplers)
    folder.mkdir(parents=True, exist_ok=True)
    _files.check_writable(folder / edge.NAME)
    with tempfile.TemporaryDirectory() as place:
        written = [
            _networks.write(
                _networks.of_fixed_batch(model.network, patches_per_call),
                pathlib.Path(place) / name,
                runtime=runtime,
                precision=precision,
                sizes=_networks.sizes_of(model),
                timesteps=[level.timestep for level in samplers[0].levels[:-1]],
            )
            for name, model in models.items()
        ]
        # The numbers are written last: without them the folder is not read.
        (folder / edge.NAME).unlink(missing_ok=True)
        for path in pathlib.Path(place).iterdir():
            with path.open("rb") as file, _files.replacing(folder / path.name) as copy:
                shutil.copyfileobj(file, copy)
    for name, text in cards.items():
        _files.write(folder / name, text)
    described |= {
        "package": importlib.metadata.version("keras-patchdpm"),
        "runtime": runtime,
        "precision": precision,
        "licence": licence,
        "networks": written,
    }
    _files.write(folder / edge.NAME, json.dumps(described))


def samplers_of(model, steps, settings):
    """One `PatchSampler` for each number of steps, with the settings of the model.

    Args:
        model, steps: See `onnx`.
        settings: Dict of arguments of `PatchSampler`, which override the model's.
    """
    if isinstance(model, TiledModel):
        build = functools.partial(PatchSampler, model)
        settings = {**DEFAULTS, **settings}
    else:
        build = model.sampler
        if "solver" not in model.sampling.arguments:
            settings = {**DEFAULTS, **model.sampling.arguments, **settings}
    if steps is None:
        return [build(**settings)]
    if isinstance(steps, numbers.Integral):
        steps = (steps,)
    steps = _checks.sequence(
        "steps", steps, _checks.positive_int, wanted="an int, or a list of ints"
    )
    return [build(**{**settings, "steps": number}) for number in steps]


def description(samplers):
    """The content of `patchdpm.json` but its networks and records: a dict.

    Args:
        samplers: List of `PatchSampler`s, which differ in their steps.

    Raises:
        ValueError: If the model cannot be exported.
    """
    model, guidance = samplers[0].model, samplers[0].guidance
    if model.latents:
        raise ValueError(
            "A model of latents cannot be exported: its images need a decoder, which "
            f"is not in the model. Received: a model of {model.image_shape} latents."
        )
    if model.whole is not None:
        raise ValueError(
            "An exported network has one size of patch. Leave `whole_above` of `tiled` "
            f"out. Received: whole_above={model.whole_above}."
        )
    if guidance is not None:
        guidance = {
            "network": 0 if guidance.by_label else 1,
            "label": model.num_classes if guidance.by_label else None,
            "scale": guidance.scale,
        }
    return {
        "format": edge.FORMAT,
        "version": edge.VERSION,
        "patches_per_call": samplers[0].patches_per_call,
        "range": [-1, 1],
        "num_classes": model.num_classes,
        "guidance": guidance,
        "stages": _description.stages(model),
        "steps": {
            str(len(one.levels) - 1): _description.program(one) for one in samplers
        },
    }


def models_of(sampler):
    """Dict of the names of files to `TiledModel`s, whose networks are validated."""
    models = {"network": sampler.model}
    if sampler.guidance is not None and not sampler.guidance.by_label:
        models["guide"] = sampler.guidance.guide
    for model in models.values():
        _networks.check_network(model.network)
        model.attach_state()
    return models


def _provenance(model):
    """The `Provenance` of a model; an empty one of a `TiledModel`."""
    return Provenance() if isinstance(model, TiledModel) else model.provenance


def _cards(model, card):
    """Dict of the names of model cards to their texts."""
    cards = dict(_provenance(model).cards)
    if card is None:
        return cards or {CARD: _CARD}
    return {**cards, CARD: card}
