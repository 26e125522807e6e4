"""Fits the package's docstrings to what renders them."""

import re

import griffe

# From a line with a prompt to the next empty line: Markdown would quote it.
_EXAMPLE = re.compile(r"^>>> .*(?:\n.+)*", re.MULTILINE)
# What is returned, in backquotes: it is shown as code already.
_RETURNED = re.compile(r"^(Returns:\n +)`([^`\n]+)`:", re.MULTILINE)


class Docstrings(griffe.Extension):
    """Shows examples as code, and names of returned values once as code."""

    def on_instance(self, *, obj, **kwargs):
        """Rewrites the docstring of an object."""
        if obj.docstring:
            text = _EXAMPLE.sub(r"```pycon\n\g<0>\n```", obj.docstring.value)
            obj.docstring.value = _RETURNED.sub(r"\1\2:", text)
