"""`python -m keras_patchdpm export`: writes a model for sampling without Keras."""

from keras_patchdpm import export, presets
from keras_patchdpm.commands import options as types
from keras_patchdpm.export._networks import SUFFIXES, TOLERANCES
from keras_patchdpm.models import PatchDPM


def add_options(parser):
    """Adds the options of the command to its `argparse.ArgumentParser`."""
    parser.set_defaults(run=run, interrupted=_interrupted)
    add = parser.add_argument
    add(
        "--preset",
        type=types.path,
        required=True,
        help="trained model: the folder of one (`train` writes OUT/preset), or one of "
        f"the package: {', '.join(presets.names())}",
    )
    add(
        "--format",
        required=True,
        choices=tuple(SUFFIXES),
        help="runtime of the files: onnx for ONNX Runtime (Keras on TensorFlow or "
        "PyTorch), litert for LiteRT (Keras on TensorFlow)",
    )
    add("--out", type=types.path, required=True, help="folder to write")
    add(
        "--precision",
        choices=tuple(TOLERANCES),
        default="float32",
        help="how large weights are stored; networks compute in float32",
    )
    add(
        "--steps",
        type=types.positive_int,
        nargs="+",
        help="numbers of steps that can be chosen later, the first is the default "
        "(default: the preset's, or 50)",
    )
    add(
        "--patches-per-call",
        type=types.positive_int,
        default=1,
        help="patches of an image that the network computes together",
    )
    add("--solver", help="solver (default: the preset's, or ddim)")


def run(options):
    """Loads the preset, writes the folder, and says how it is sampled."""
    model = PatchDPM.from_preset(options.preset)
    settings = {} if options.solver is None else {"solver": options.solver}
    write = {"onnx": export.onnx, "litert": export.litert}[options.format]
    write(
        model,
        options.out,
        precision=options.precision,
        steps=options.steps,
        patches_per_call=options.patches_per_call,
        **settings,
    )
    print(f"The model is in {options.out}. Generate images with")
    print(f"python -m keras_patchdpm_edge {options.out} --out images.png")
    if model.provenance.licence is not None:
        print(f"Licence of the weights: {model.provenance.licence}")


def _interrupted(options):
    return f"The export in {options.out} is not complete."
