"""Makes notebooks/NAME.ipynb from tutorials/NAME.py, and runs it.

    python .ci/make_notebook.py tutorials/NAME.py ...

The metadata of the notebook states what ran: `keras_patchdpm: {version, fast, seconds,
backend}`. `fast` is true after a run with PATCHDPM_FAST=1, whose outputs are not for
readers: a test refuses such a notebook. What backends log on stderr is left out: it
differs on every run.
"""

import json
import os
import pathlib
import sys
import time

import jupytext
import nbclient
import nbformat

ROOT = pathlib.Path(__file__).resolve().parent.parent
# The last cell of a run, which is not written. Only the kernel knows what it imported.
FACTS = """
import json
import os

import keras
import keras_patchdpm

facts = {
    "version": keras_patchdpm.__version__,
    "fast": os.environ.get("PATCHDPM_FAST") == "1",
    "backend": keras.backend.backend(),
}
print(json.dumps(facts))
"""


def make(tutorial):
    """Runs a tutorial and writes its notebook."""
    notebook = jupytext.read(tutorial)
    notebook.cells.append(nbformat.v4.new_code_cell(FACTS))
    start = time.monotonic()
    nbclient.NotebookClient(
        notebook,
        timeout=None,
        coalesce_streams=True,
        record_timing=False,
        resources={"metadata": {"path": str(ROOT)}},
    ).execute()
    seconds = round(time.monotonic() - start)
    facts = json.loads(_without_stderr(notebook.cells.pop())[0]["text"])
    notebook.metadata["keras_patchdpm"] = {**facts, "seconds": seconds}
    for number, cell in enumerate(notebook.cells):
        cell.id = f"cell-{number}"  # Random ones would change with every run.
        if cell.cell_type == "code":
            cell.outputs = _without_stderr(cell)
    target = ROOT / "notebooks" / f"{pathlib.Path(tutorial).stem}.ipynb"
    target.parent.mkdir(exist_ok=True)
    nbformat.write(notebook, target)
    print(f"{target} is made, in {seconds} s")


def _without_stderr(cell):
    """The outputs of a cell that are not logs."""
    return [output for output in cell.outputs if output.get("name") != "stderr"]


if __name__ == "__main__":
    os.environ.pop("MPLBACKEND", None)  # Another than the notebook's shows nothing.
    for path in sys.argv[1:]:
        make(path)
