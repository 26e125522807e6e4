"""No patches: the network sees the whole image."""

from keras_patchdpm._registration import serializable
from keras_patchdpm.patching.grid_patching import GridPatching


@serializable
class WholeImage(GridPatching):
    """The whole image as its only patch, with neither place nor content.

    Example:

    >>> patching = WholeImage()

    Source: Ho et al. 2020 (arXiv:2006.11239).
    """

    def __init__(self):
        super().__init__(1, position=False, content=False)

    def get_config(self):
        return {}
