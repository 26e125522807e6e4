"""No patches: the network sees the whole image."""

from keras_patchdpm import _checks
from keras_patchdpm._registration import serializable
from keras_patchdpm.patching.base import InputSpec, Patching
from keras_patchdpm.patching.stage import Stage
from keras_patchdpm.patching.tiling import Tiling


@serializable
class WholeImage(Patching):
    """The whole image as its only patch, without position and without content.

    Example:

    >>> patching = WholeImage()

    Source: Ho et al. 2020 (arXiv:2006.11239).
    """

    def input_specs(self, image_shape):
        image_shape = _checks.shape("image_shape", image_shape)
        return {"noisy": InputSpec(image_shape, "float32")}

    def image_shape(self, window_shape):
        return _checks.shape("window_shape", window_shape)

    def example(self, images, add_noise, seed_generator):
        noisy, target = add_noise(images)
        return {"noisy": noisy}, target

    def stages(self, image_shape):
        *image_size, channels = _checks.shape("image_shape", image_shape)
        return [Stage(Tiling(image_size, 1), channels)]

    def get_config(self):
        return {}
