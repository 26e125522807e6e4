"""Renders equations as MathML, which browsers show without a script or a network.

A block of code in the language `math` contains LaTeX; GitHub renders the same block.
"""

import re

from latex2mathml.converter import convert

_BLOCK = re.compile(r"^```math\n(.*?)\n```$", re.MULTILINE | re.DOTALL)


def on_page_markdown(markdown, page, config, files):
    """Called by MkDocs with the text of each page."""
    return _BLOCK.sub(lambda block: equations(block[1]), markdown)


def equations(latex):
    """One `<math>` for each paragraph of LaTeX."""
    parts = [convert(part, display="block") for part in latex.split("\n\n")]
    return "\n\n".join(f'<div class="equation">{part}</div>' for part in parts)
