"""Fits docstrings to what renders them, and links public names to their entries.

`` `GridPatching` `` in a docstring or in a page becomes a link to its entry in
`docs/api/`; the docstring in Python's `help()` stays without one.
"""

import collections
import logging
import pathlib
import re

import griffe

LOG = logging.getLogger("mkdocs.hooks.reference")
API = pathlib.Path(__file__).parent.parent / "api"
# From a line with a prompt to the next empty line: Markdown would quote it.
_EXAMPLE = re.compile(r"^>>> .*(?:\n.+)*", re.MULTILINE)
# What is returned: text before a colon would be shown as code.
_RETURNED = re.compile(r"^((?:Returns|Yields):\n +[^:\n]+):(?=\s)", re.MULTILINE)
# A section that Keras' layers have, and the renderer does not know.
_CALL = re.compile(r"^Call arguments:\n((?: {4}.*\n?|\n)+)", re.MULTILINE)
# Blocks of code and links stay as they are; a name may have arguments.
_NAME = re.compile(
    r"^```.*?^```|^#.*?$|!?\[[^\]]*\]\([^)]*\)|``[^`]+``|`(?:kp\.)?([\w.]+)(\([^`]*\))?`",
    re.MULTILINE | re.DOTALL,
)


def _entries():
    """Every way to write the name of an entry, and the path of the entry."""
    text = "\n".join(path.read_text() for path in API.glob("*.md"))
    blocks = re.findall(r"^::: (\S+)\n((?: .*\n)*)", text + "\n", re.MULTILINE)
    paths = [path for path, options in blocks if "root_heading: false" not in options]
    count = collections.Counter(path.rpartition(".")[2] for path in paths)
    names = {}
    for path in paths:
        last = path.rpartition(".")[2]
        names[path] = names[path.removeprefix("keras_patchdpm.")] = path
        # Not `plan` or `table`, which are words of their own.
        if count[last] == 1 and (last[0].isupper() or "_" in last):
            names[last] = path
    return names


ENTRIES = _entries()


def _listed(markdown):
    """`(path, members)` of each entry of a page that lists its members."""
    for path, options in re.findall(r"^::: (\S+)\n((?: .*\n)*)", markdown + "\n", re.M):
        listed = re.search(r"members:(.*?)(?=\n {6}\w|\Z)", options, re.DOTALL)
        if listed:
            yield path, re.findall(r"\b(?!false\b|true\b)\w+", listed[1])


def linked(text, *, own="", once=False):
    """Links the names in `text`, but `own`; `once` links the first of each alone."""
    seen = {own}

    def link(match):
        path = ENTRIES.get(match[1])
        if path is None or path in seen:
            return match[0]
        if once:
            seen.add(path)
        return f"[{match[0]}][{path}]"

    return _NAME.sub(link, text)


def on_page_markdown(markdown, page, config, files):
    """Called by MkDocs with the text of each page."""
    if page.file.src_uri.startswith("notebooks/"):
        return markdown
    return linked(markdown, once=True)


def on_page_content(html, page, config, files):
    """Called by MkDocs with the HTML of each page: returned values have no name."""
    for path, members in _listed(page.markdown or ""):
        for member in members:
            if f'id="{path}.{member}"' not in html:
                LOG.warning(f"{page.file.src_uri} lists {path}.{member}: not shown.")
    return re.sub(r"(<li[^>]*>)\s*–\s*", r"\1", html)


def _call_arguments(match):
    """The arguments of a call as a list, one line each."""
    lines = ["**Call arguments:**\n"]
    for argument in re.split(r"^ {4}(?=\w[\w, ]*: )", match[1], flags=re.MULTILINE):
        if argument.strip():
            name, text = " ".join(argument.split()).split(": ", 1)
            lines.append(f"- **`{name}`** – {text}")
    return "\n".join(lines) + "\n\n"


class Docstrings(griffe.Extension):
    """Shows examples as code, names as links, and returned values as text."""

    def on_instance(self, *, obj, **kwargs):
        """Rewrites the docstring of an object."""
        if obj.docstring:
            text = _EXAMPLE.sub(r"```pycon\n\g<0>\n```", obj.docstring.value)
            text = _RETURNED.sub(r"\1 –", text)
            text = _CALL.sub(_call_arguments, text)
            own = ENTRIES.get(obj.name, "")
            obj.docstring.value = linked(text, own=own)

    def on_package(self, *, pkg, **kwargs):
        """Shows the values of defaults that are constants."""
        for function in _functions(pkg):
            for parameter in function.parameters:
                constant = function.module.members.get(str(parameter.default))
                if constant is not None and constant.is_alias:
                    constant = constant.final_target
                if constant is not None and constant.is_attribute:
                    parameter.default = constant.value


def _functions(thing):
    """All functions of a package, and methods of its classes."""
    for member in thing.members.values():
        if member.is_alias:
            continue
        if member.is_function:
            yield member
        elif member.is_module or member.is_class:
            yield from _functions(member)
