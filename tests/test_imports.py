"""Imports point down, backends stay where they belong, importing has no effects."""

import ast
import subprocess
import sys

import pytest
from fresh_python import ROOT, run_python

pytestmark = pytest.mark.once

PACKAGE = ROOT / "keras_patchdpm"

# A module may import from the lines above its own, and from its own folder.
LINES = (
    ("_backend", "_checks", "_registration"),
    ("_files", "_images", "_npz", "_torch_file"),
    ("augmentation", "grid", "resize", "schedules", "solvers", "windows"),
    ("patching", "layers"),
    ("networks",),
    ("presets",),
    ("models",),
    ("callbacks", "export"),
)
# Off the line: what each may import. From "models" on, everyone may import these.
APART = {
    "samplers": (
        "_checks",
        "_files",
        "_images",
        "_npz",
        "_registration",
        "grid",
        "patching",
        "resize",
        "schedules",
        "solvers",
        "memory",
        "runtime",
    ),
    "datasets": ("_checks", "_files", "runtime"),
    "latents": ("_checks",),
    "metrics": (*LINES[0], *LINES[1], "grid"),
    "memory": ("runtime", *(name for line in LINES[:5] for name in line)),
    "runtime": ("_checks",),
}
# The commands and the package itself stand above everything.
TOP = ("__init__", "__main__", "commands", "sampling", "testing", "training")

BACKENDS = ("jax", "jaxlib", "tensorflow", "torch")
BACKEND_HOMES = ("models/_train_step/", "memory/", "runtime/")
DYNAMIC_HOMES = (*BACKEND_HOMES, "_torch_file.py")


def allowed(group):
    """Groups that a module of `group` may import. None: any of them."""
    if group in TOP:
        return None
    if group in APART:
        return {group, *APART[group]}
    above = set()
    for number, line in enumerate(LINES):
        if group in line:
            free = APART if number >= LINES.index(("presets",)) else ()
            return {group, *above, *free}
        above.update(line)
    raise AssertionError(
        f"`keras_patchdpm/{group}` has no place in the order of imports. Give it one "
        "in tests/test_imports.py (and in the design page of the documentation)."
    )


def imports(path, root):
    """Yields `(line number, dotted name)` of all imports, lazy ones included."""
    here = path.relative_to(root.parent).with_suffix("").parts
    for node in ast.walk(ast.parse(path.read_text(), str(path))):
        if isinstance(node, ast.Import):
            for alias in node.names:
                yield node.lineno, alias.name
        elif isinstance(node, ast.ImportFrom):
            base = [*here[: -node.level]] if node.level else []
            base = ".".join(base + ([node.module] if node.module else []))
            for alias in node.names:
                yield node.lineno, f"{base}.{alias.name}"


def wrong_directions(root):
    """Lists "file:line imports name" for imports against the order."""
    modules = {path.stem for path in root.iterdir()}
    found = []
    for path in sorted(root.rglob("*.py")):
        place = path.relative_to(root)
        group = place.parts[0].removesuffix(".py")
        groups = allowed(group)
        for line, name in imports(path, root):
            parts = name.split(".")
            if parts[0] != root.name or groups is None:
                continue
            if len(parts) == 1 or parts[1] not in modules & groups:
                found.append(f"{root.name}/{place}:{line} imports {name}")
    return found


def dynamic_imports(path):
    """Yields `(line number, name)` of `import_module(...)` and `__import__(...)`.

    The name is "?" where it is no literal, and so cannot be known.
    """
    for node in ast.walk(ast.parse(path.read_text(), str(path))):
        if isinstance(node, ast.Call):
            function = getattr(node.func, "attr", getattr(node.func, "id", None))
            if function in ("import_module", "__import__") and node.args:
                yield node.lineno, getattr(node.args[0], "value", "?")


def stray_backends(root):
    """Lists "file:line imports name" for backends outside their two folders."""
    found = []
    for path in sorted(root.rglob("*.py")):
        place = path.relative_to(root).as_posix()
        names = [] if place.startswith(BACKEND_HOMES) else [*imports(path, root)]
        if not place.startswith(DYNAMIC_HOMES):
            names += dynamic_imports(path)
        for line, name in names:
            if name.split(".")[0] in (*BACKENDS, "?"):
                found.append(f"{root.name}/{place}:{line} imports {name}")
    return found


def test_imports_point_down():
    assert wrong_directions(PACKAGE) == []


def test_backends_stay_in_their_folders():
    assert stray_backends(PACKAGE) == []


def test_the_interpreter_of_exports_imports_numpy_alone():
    """Runtimes are imported by name when a network is loaded."""
    root = ROOT / "keras_patchdpm_edge"
    found = {
        name.split(".")[0]
        for path in sorted(root.rglob("*.py"))
        for _, name in imports(path, root)
    }
    assert found - sys.stdlib_module_names == {"keras_patchdpm_edge", "numpy"}
    named = {
        name
        for path in root.rglob("*.py")
        for _, name in dynamic_imports(path)
        if name != "?"
    }
    assert named == set()


def _seed(tmp_path, place, source):
    root = tmp_path / "keras_patchdpm"
    for module in ("grid.py", "layers/a.py", "models/a.py", "samplers/a.py", place):
        (root / module).parent.mkdir(parents=True, exist_ok=True)
        (root / module).touch()
    (root / place).write_text(source)
    return root


@pytest.mark.parametrize(
    ("place", "source"),
    [
        ("grid.py", "from keras_patchdpm import layers"),
        ("grid.py", "import keras_patchdpm"),
        ("layers/a.py", "from ..models.a import PatchDPM"),
        ("layers/a.py", "def f():\n    import keras_patchdpm.networks"),
        ("layers/a.py", "from keras_patchdpm import PatchGrid"),
        ("layers/a.py", "from keras_patchdpm.samplers import a"),
        ("samplers/a.py", "from keras_patchdpm.models import a"),
        ("samplers/a.py", "from keras_patchdpm.layers import a"),
        ("datasets/a.py", "from keras_patchdpm.grid import PatchGrid"),
        ("memory/a.py", "from keras_patchdpm.models import a"),
    ],
)
def test_a_wrong_direction_is_named(place, source, tmp_path):
    (found,) = wrong_directions(_seed(tmp_path, place, source))
    assert found.startswith(f"keras_patchdpm/{place}:")


@pytest.mark.parametrize(
    ("place", "source"),
    [
        ("__init__.py", "from keras_patchdpm.models import a"),
        ("layers/a.py", "from keras_patchdpm.grid import PatchGrid"),
        ("layers/b.py", "from keras_patchdpm.layers.a import A"),
        ("models/b.py", "from ..samplers import a\nfrom . import a"),
    ],
)
def test_a_right_direction_passes(place, source, tmp_path):
    assert wrong_directions(_seed(tmp_path, place, source)) == []


def test_a_new_module_must_get_a_place(tmp_path):
    with pytest.raises(AssertionError, match="`keras_patchdpm/brand_new` has no place"):
        wrong_directions(_seed(tmp_path, "brand_new/a.py", "import keras"))


@pytest.mark.parametrize(
    "source",
    [
        "import torch.nn as nn",
        "def f():\n    from jax import numpy",
        "import importlib\nimportlib.import_module('tensorflow')",
        "from importlib import import_module\nimport_module('to' + 'rch')",
    ],
)
def test_a_stray_backend_is_named(source, tmp_path):
    (found,) = stray_backends(_seed(tmp_path, "layers/a.py", source))
    assert found.startswith("keras_patchdpm/layers/a.py:")
    for home in ("models/_train_step/a.py", "memory/a.py"):
        assert stray_backends(_seed(tmp_path / home, home, source)) == []


@pytest.mark.parametrize("backend", ["jax", "tensorflow", "torch"])
def test_ruff_bans_backends(backend):
    def codes(place):
        command = [sys.executable, "-m", "ruff", "check", "--output-format=concise"]
        result = subprocess.run(
            [*command, f"--stdin-filename={place}", "-"],
            input=f'"""Docs."""\n\nimport {backend}\n\n{backend}.zeros(1)\n',
            cwd=ROOT,
            capture_output=True,
            text=True,
        )
        return result.returncode, result.stdout.count("TID251")

    assert codes("keras_patchdpm/layers/a.py") == (1, 1)
    assert codes("keras_patchdpm/models/_train_step/a.py") == (0, 0)
    assert codes("keras_patchdpm/memory/a.py") == (0, 0)


def test_importing_has_no_effects(tmp_path):
    """No connection is made, and nothing is written that Keras does not write."""
    script = """
        import sys
        def forbid(event, args):
            if event in ("socket.connect", "socket.getaddrinfo"):
                raise RuntimeError(f"a connection: {event} {args}")
        sys.addaudithook(forbid)
        import
    """
    written = {}
    for module in ("keras", "keras_patchdpm"):
        home = tmp_path / module
        home.mkdir()
        places = dict.fromkeys(("HOME", "TMPDIR"), str(home))
        result = run_python(f"{script.rstrip()} {module}", cwd=home, **places)
        assert result.returncode == 0, result.stderr
        written[module] = {path.relative_to(home) for path in home.rglob("*")}
    assert written["keras_patchdpm"] == written["keras"]
