"""Shows `notebooks/*.ipynb` on the site, each as a page of Markdown.

The pages then look, search and copy like all others, in light and dark, and MkDocs
checks their links. A figure needs a text that describes it: `# %% alt="..."` above its
cell in `tutorials/`. The cell for Google Colab, with the tag `colab`, is left out.
"""

import base64
import json
import logging
import pathlib
import re

from mkdocs.structure.files import File

LOG = logging.getLogger("mkdocs.hooks.notebooks")


def on_files(files, config):
    """Called by MkDocs: adds the notebooks and their figures to the files."""
    root = pathlib.Path(config.config_file_path).parent
    for path in sorted(root.glob("notebooks/*.ipynb")):
        text, figures = page_of(json.loads(path.read_text()), path.stem)
        files.append(File.generated(config, f"notebooks/{path.stem}.md", content=text))
        for name, content in figures.items():
            files.append(File.generated(config, f"notebooks/{name}", content=content))
    return files


def on_page_markdown(markdown, page, config, files):
    """Called by MkDocs with the text of each page."""
    return site_links(markdown)


def site_links(markdown):
    """Links to notebooks, and from notebooks to pages, as the site has them."""
    markdown = re.sub(r"\]\(\.\./docs/", "](../", markdown)
    return re.sub(r"(\]\([^):]+)\.ipynb(?=[)#])", r"\1.md", markdown)


def page_of(notebook, name):
    """The Markdown of a notebook, and its figures by file name."""
    parts, figures = [], {}
    for number, cell in enumerate(notebook["cells"]):
        if "colab" in cell["metadata"].get("tags", ()):
            continue
        source = "".join(cell["source"])
        if cell["cell_type"] != "code":
            parts.append(source)
            continue
        parts.append(fenced("python", source))
        for output in cell["outputs"]:
            data = output.get("data", {})
            if "image/png" in data:
                file = f"{name}_{len(figures)}.png"
                figures[file] = base64.b64decode("".join(data["image/png"]))
                figure = f"![{described(cell, name, number)}]({file})"
                parts.append(f"[{figure}]({file})")  # In full size, for phones.
            elif "text/markdown" in data:
                parts.append("".join(data["text/markdown"]))
            else:
                text = "".join(output.get("text") or data.get("text/plain") or [])
                parts.append(fenced("text", text.rstrip("\n")))
    return "\n\n".join(parts) + "\n", figures


def fenced(language, text):
    """A block of code."""
    return f"```{language}\n{text}\n```"


def described(cell, name, number):
    """The text of a cell's figures; without one, a build with `--strict` fails."""
    text = cell["metadata"].get("alt", "")
    if not text:
        LOG.warning(
            f"Cell {number} of notebooks/{name}.ipynb shows a figure without a text. "
            f'Write `# %% alt="..."` above it in tutorials/{name}.py.'
        )
    return text
