"""Geometric augmentation, with labels for the network so that it does not leak."""

import math

import keras
from keras import ops

from keras_patchdpm import _checks
from keras_patchdpm._registration import Configured, serializable

LABELS = "augmentation_labels"  # The network's input.
NUM_PARAMETERS, NUM_LABELS = 8, 9


@serializable
class GeometricAugmentation(Configured):
    """Flips, scales, rotates, stretches and moves training images at random.

    It helps where there are few images. The network receives labels that describe the
    transformation. In sampling the labels are 0, so samples look like the images before
    the augmentation. Pass it to `PatchDPM(augmentation=)`, with a network that has the
    input `augmentation_labels`: `networks.unet(augmented=True)`. The whole image is
    transformed before patches are cut, so coordinates belong to the transformed image.

    The transformations are applied in the order of the arguments. Outside of its edges
    the image is reflected. Colours are interpolated bilinearly.

    Args:
        probability: Float in [0, 1]. Probability of each transformation but the mirror
            image, independently. Default 0.12, as Karras et al. use for CIFAR-10.
        mirror_probability: Float in [0, 1]. Probability that left and right are
            exchanged. Default 0.5, as in Karras et al.; 0 for images such as text.
        vertical_flip: Bool. Whether top and bottom are exchanged, with half of
            `probability`. Default: yes.
        scale: Float in [0, 1]. Standard deviation of the base-2 logarithm of the
            magnification. Default 0.2; 0: not scaled.
        rotation: Float in [0, 180]. Largest angle in degrees, in both directions.
            Default 180; 0: not rotated.
        stretch: Float in [0, 1]. Standard deviation of the base-2 logarithm of the
            stretch in a random direction; across it the image shrinks as much. Default
            0.2; 0: not stretched.
        translation: Float in [0, 1]. Standard deviation of the movements to the right
            and down, in sides of the image. Default 0.125; 0: not moved.

    Raises:
        TypeError: If an argument has the wrong type.
        ValueError: If a number is out of range.

    Example:

    >>> network = networks.unet(64, GridPatching(2), augmented=True)
    >>> augmentation = GeometricAugmentation(probability=0.12)
    >>> model = PatchDPM(
    ...     network, DDPMSchedule(), GridPatching(2), augmentation=augmentation
    ... )

    Source: Karras et al. 2022 (arXiv:2206.00364), appendix F.2, table 6.
    """

    def __init__(
        self,
        probability=0.12,
        *,
        mirror_probability=0.5,
        vertical_flip=True,
        scale=0.2,
        rotation=180.0,
        stretch=0.2,
        translation=0.125,
    ):
        self.probability = _share("probability", probability)
        self.mirror_probability = _share("mirror_probability", mirror_probability)
        self.vertical_flip = _checks.boolean("vertical_flip", vertical_flip)
        self.scale = _share("scale", scale)
        self.rotation = _checks.real("rotation", rotation, minimum=0, maximum=180)
        self.stretch = _share("stretch", stretch)
        self.translation = _share("translation", translation)

    def __call__(self, images, seed_generator):
        """Transforms images at random; called by `PatchDPM` in each training step.

        Args:
            images: Float tensor of shape `(B, H, W, C)`, whole images.
            seed_generator: `keras.random.SeedGenerator`, for all random choices.

        Returns:
            `(images, labels)`: float32 tensors `(B, H, W, C)` and `(B, 9)`. An image
            that is not transformed is returned bit for bit, and its labels are 0.

        Raises:
            TypeError: If `images` are no numbers, or `seed_generator` is none.
            ValueError: If `images` have another shape.
        """
        _checks.images("images", images)
        _checks.instance("seed_generator", seed_generator, keras.random.SeedGenerator)
        images = ops.cast(images, "float32")
        parameters = self.draw(ops.shape(images)[0], seed_generator)
        return self.transform(images, parameters), self.labels(parameters)

    def draw(self, count, seed_generator):
        """Draws the parameters of `count` transformations.

        Args:
            count: Int, or int tensor.
            seed_generator: `keras.random.SeedGenerator`.

        Returns:
            Float32 tensor of shape `(count, 8)`, `a_0` to `a_7` of the source: mirror
            image and vertical flip (0 or 1), scale, angle of the rotation in radians,
            direction of the stretch in radians, stretch, movements to the right and
            down. All are 0 where a transformation is not applied. Scale, stretch and
            movements are in standard deviations.
        """
        options = {"dtype": "float32", "seed": seed_generator}
        chances = keras.random.uniform((count, 6), **options)
        angles = keras.random.uniform((count, 2), -math.pi, math.pi, **options)
        normal = keras.random.normal((count, 4), **options)
        limits = [
            self.mirror_probability,
            self.vertical_flip * self.probability / 2,
            *(
                self.probability if strength else 0.0
                for strength in (
                    self.scale,
                    self.rotation,
                    self.stretch,
                    self.translation,
                )
            ),
        ]
        applied = ops.cast(
            chances < ops.convert_to_tensor(limits, "float32"), "float32"
        )
        mirror, flip, scale, rotation, stretch, translation = ops.unstack(
            applied, axis=1
        )
        columns = [
            mirror,
            flip,
            scale * normal[:, 0],
            rotation * angles[:, 0] * (self.rotation / 180),
            stretch * angles[:, 1],
            stretch * normal[:, 1],
            translation * normal[:, 2],
            translation * normal[:, 3],
        ]
        return ops.stack(columns, axis=1)

    def transform(self, images, parameters):
        """Transforms images, with the parameters that `draw` returns.

        Args:
            images: Float32 tensor of shape `(B, H, W, C)`.
            parameters: Float32 tensor of shape `(B, 8)`.

        Returns:
            Float32 tensor of shape `(B, H, W, C)`.
        """
        height, width = images.shape[1:3]
        columns = ops.unstack(parameters[:, :, None, None], NUM_PARAMETERS, axis=1)
        *others, right, down = columns
        middle_x, middle_y = (width - 1) / 2, (height - 1) / 2
        across = ops.arange(width, dtype="float32")[None, None, :] - middle_x
        along = ops.arange(height, dtype="float32")[None, :, None] - middle_y
        across = across - right * self.translation * width
        along = along - down * self.translation * height
        (xx, xy), (yx, yy) = self._inverse(others)
        interpolated = _interpolated(
            images,
            rows=yx * across + yy * along + middle_y,
            cols=xx * across + xy * along + middle_x,
        )
        transformed = ops.any(parameters != 0, axis=1)
        return ops.where(transformed[:, None, None, None], interpolated, images)

    def labels(self, parameters):
        """What the network receives of the parameters that `draw` returns.

        Args:
            parameters: Float32 tensor of shape `(B, 8)`.

        Returns:
            Float32 tensor of shape `(B, 9)`, 0 where a transformation is not applied:
            `a_0`, `a_1`, `a_2`, `cos(a_3) - 1`, `sin(a_3)`, `a_5 cos(a_4)`,
            `a_5 sin(a_4)`, `a_6`, `a_7`.
        """
        mirror, flip, scale, angle, direction, stretch, right, down = ops.unstack(
            parameters, NUM_PARAMETERS, axis=1
        )
        columns = [
            mirror,
            flip,
            scale,
            ops.cos(angle) - 1,
            ops.sin(angle),
            stretch * ops.cos(direction),
            stretch * ops.sin(direction),
            right,
            down,
        ]
        return ops.stack(columns, axis=1)

    def get_config(self):
        return {
            "probability": self.probability,
            "mirror_probability": self.mirror_probability,
            "vertical_flip": self.vertical_flip,
            "scale": self.scale,
            "rotation": self.rotation,
            "stretch": self.stretch,
            "translation": self.translation,
        }

    def _inverse(self, parameters):
        """The inverse of all transformations but the movements: rows of a 2x2 matrix.

        It maps `(x, y)`, to the right and down from the middle of the transformed
        image, to the place in the image where that pixel comes from.
        """
        mirror, flip, scale, angle, direction, stretch = parameters
        shrink = 2.0 ** (-self.scale * scale)
        cos, sin = ops.cos(angle), ops.sin(angle)
        # Undoes a counterclockwise rotation, seen with `y` down.
        unrotate = (cos, -sin), (sin, cos)
        stretched = 2.0 ** (self.stretch * stretch)
        cos, sin = ops.cos(direction), -ops.sin(direction)
        # Along the direction 1 / stretched, across it stretched.
        along = 1 / stretched - stretched
        unstretch = (
            (stretched + along * cos * cos, along * cos * sin),
            (along * cos * sin, stretched + along * sin * sin),
        )
        (xx, xy), (yx, yy) = _product(unrotate, unstretch)
        x, y = (1 - 2 * mirror) * shrink, (1 - 2 * flip) * shrink
        return (x * xx, x * xy), (y * yx, y * yy)


def options_of_batches(augmentation):
    """The further arguments of `patching.batches` with an augmentation, a dict."""
    return {} if augmentation is None else {"whole": True}


def labels_input():
    """The network's input for the labels; called by the builders of networks."""
    return keras.Input((NUM_LABELS,), dtype="float32", name=LABELS)


def _share(name, value):
    """Validates a float in [0, 1]."""
    return _checks.real(name, value, minimum=0, maximum=1)


def _product(one, other):
    """The product of two 2x2 matrices, in float32: `ops.matmul` may round more."""
    (a, b), (c, d) = one
    (e, f), (g, h) = other
    return (a * e + b * g, a * f + b * h), (c * e + d * g, c * f + d * h)


def _interpolated(images, rows, cols):
    """The colours at any places of images, `rows` and `cols` `(B, H, W)`.

    `ops.image.affine_transform` is not used: XLA cannot compile that of TensorFlow, and
    on PyTorch it transforms one image after another.
    """
    height, width, channels = images.shape[1:]
    pixels = ops.reshape(images, (-1, height * width, channels))
    top, left = ops.floor(rows), ops.floor(cols)
    down, right = (rows - top)[..., None], (cols - left)[..., None]

    def at(below, beside):
        row = _reflected(top, height, below)
        index = row * width + _reflected(left, width, beside)
        index = ops.reshape(index, (-1, height * width, 1))
        colours = ops.take_along_axis(pixels, index, axis=1)
        return ops.reshape(colours, (-1, height, width, channels))

    upper = (1 - right) * at(0, 0) + right * at(0, 1)
    lower = (1 - right) * at(1, 0) + right * at(1, 1)
    return (1 - down) * upper + down * lower


def _reflected(position, size, offset):
    """The pixels of whole `position + offset` in an image that its edges reflect."""
    index = ops.mod(ops.cast(position, "int32") + offset, 2 * size)
    return ops.minimum(index, 2 * size - 1 - index)
