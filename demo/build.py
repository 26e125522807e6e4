"""Collects the page that samples in a browser: `python demo/build.py OUT`.

The folder has the page, the files of onnxruntime-web from the npm registry, and an
exported model. Serve it with any file server.
"""

import argparse
import json
import pathlib
import shutil
import subprocess
import sys
import tarfile
import tempfile

HERE = pathlib.Path(__file__).resolve().parent
ROOT = HERE.parent
PAGE = ("index.html", "*.css", "*.js")
PACKAGE, VERSION = "onnxruntime-web", "1.30.0"
# The builds for WebAssembly and for WebGPU, and the licence, which package.json names.
RUNTIME = (
    "dist/ort.wasm.min.mjs",
    "dist/ort-wasm-simd-threaded.mjs",
    "dist/ort-wasm-simd-threaded.wasm",
    "dist/ort.webgpu.min.mjs",
    "dist/ort-wasm-simd-threaded.asyncify.mjs",
    "dist/ort-wasm-simd-threaded.asyncify.wasm",
    "package.json",
)


def build(out, model):
    """Collects the folder.

    Args:
        out: `Path` of the folder. It is created; files of the same names are replaced.
        model: `Path` of a folder that `keras_patchdpm.export.onnx` wrote.

    Raises:
        FileNotFoundError: If npm is not installed.
        subprocess.CalledProcessError: If npm cannot download the package.
        ValueError: If the model is not for ONNX Runtime.
    """
    sys.path.insert(0, str(ROOT))
    from keras_patchdpm_edge import folder as folders

    model, description = folders.read(model)
    if description["runtime"] != "onnx":
        raise ValueError(
            "The page needs a model for ONNX Runtime. Export it with `--format onnx`. "
            f"Received: a model for {description['runtime']}."
        )
    out.mkdir(parents=True, exist_ok=True)
    for path in (path for pattern in PAGE for path in HERE.glob(pattern)):
        shutil.copy(path, out)
    shutil.copytree(runtime(), out / "onnxruntime", dirs_exist_ok=True)
    shutil.copytree(model, out / "model", dirs_exist_ok=True)
    files = [model / network["file"] for network in description["networks"]]
    facts = {"activations": max(map(activations, files))}
    (out / "demo.json").write_text(json.dumps(facts))


def runtime():
    """The folder of the files of onnxruntime-web, which npm downloads once.

    npm compares the download with the checksum of the registry.
    """
    folder = ROOT / ".cache" / f"{PACKAGE}-{VERSION}"
    if folder.is_dir():
        return folder
    npm = shutil.which("npm")
    if npm is None:
        raise FileNotFoundError("npm is not installed: it downloads onnxruntime-web.")
    folder.parent.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory(dir=folder.parent) as place:
        place = pathlib.Path(place)
        command = [npm, "pack", f"{PACKAGE}@{VERSION}", "--silent"]
        subprocess.run(command, cwd=place, check=True, stdout=subprocess.DEVNULL)
        (archive,) = place.glob("*.tgz")
        chosen = place / "chosen"
        chosen.mkdir()
        with tarfile.open(archive) as members:
            for name in RUNTIME:
                content = members.extractfile(f"package/{name}").read()
                (chosen / pathlib.Path(name).name).write_bytes(content)
        chosen.rename(folder)
    return folder


def activations(path):
    """Bytes of the intermediate results that a network needs at the same time.

    They are computed from the shapes in an ONNX file, for its order of the operations
    and without memory that is reused in place. Weights do not count.
    """
    import onnx

    graph = onnx.shape_inference.infer_shapes(onnx.load(path)).graph
    sizes = {value.name: _bytes(value) for value in (*graph.value_info, *graph.output)}
    alive = {value.name: _bytes(value) for value in graph.input}
    last = {name: k for k, node in enumerate(graph.node) for name in node.input}
    peak = 0
    for k, node in enumerate(graph.node):
        if not any(name in alive for name in node.input):
            continue  # It computes with weights alone.
        alive.update((name, sizes.get(name, 0)) for name in node.output)
        peak = max(peak, sum(alive.values()))
        for name in node.input:
            if last[name] == k:
                alive.pop(name, None)
    return peak


def _bytes(value):
    """Bytes of a value in an ONNX graph, whose elements have 4 bytes."""
    count = 4
    for length in value.type.tensor_type.shape.dim:
        count *= length.dim_value
    return count


def main():
    """Exports the preset, unless a model is given, and collects the folder."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("out", type=pathlib.Path, help="folder to write")
    parser.add_argument("--preset", default="faces128", help="model that is exported")
    parser.add_argument("--precision", default="int8", help="of the exported weights")
    parser.add_argument(
        "--steps", nargs="+", default=["20", "10"], help="to choose from"
    )
    parser.add_argument(
        "--model", type=pathlib.Path, help="an exported folder, instead of a preset"
    )
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as place:
        model = options.model
        if model is None:
            model = pathlib.Path(place) / "model"
            command = [sys.executable, "-m", "keras_patchdpm", "export"]
            command += ["--preset", options.preset, "--format", "onnx"]
            command += ["--precision", options.precision, "--out", str(model)]
            command += ["--steps", *options.steps]
            subprocess.run(command, cwd=ROOT, check=True)
        build(options.out, model)
    print(f"The page is in {options.out}. Serve it, and open http://localhost:8000:")
    print(f"python -m http.server --directory {options.out}")


if __name__ == "__main__":
    main()
