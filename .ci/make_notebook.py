"""Makes notebooks/NAME.ipynb from tutorials/NAME.py, and runs it.

    python .ci/make_notebook.py tutorials/NAME.py ...

What backends log on stderr is left out of the notebook: it differs on every run.
"""

import os
import pathlib
import sys

import jupytext
import nbclient
import nbformat

ROOT = pathlib.Path(__file__).resolve().parent.parent


def make(tutorial):
    """Runs a tutorial and writes its notebook."""
    notebook = jupytext.read(tutorial)
    nbclient.NotebookClient(
        notebook,
        timeout=None,
        coalesce_streams=True,
        record_timing=False,
        resources={"metadata": {"path": str(ROOT)}},
    ).execute()
    for number, cell in enumerate(notebook.cells):
        cell.id = f"cell-{number}"  # Random ones would change with every run.
        if cell.cell_type == "code":
            cell.outputs = [
                output for output in cell.outputs if output.get("name") != "stderr"
            ]
    target = ROOT / "notebooks" / f"{pathlib.Path(tutorial).stem}.ipynb"
    target.parent.mkdir(exist_ok=True)
    nbformat.write(notebook, target)
    print(f"{target} is made")


if __name__ == "__main__":
    os.environ.pop("MPLBACKEND", None)  # Another than the notebook's shows nothing.
    for path in sys.argv[1:]:
        make(path)
