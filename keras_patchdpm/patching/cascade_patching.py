"""Clean content first: a thumbnail, then larger images in patches of its size."""

import functools
import numbers

import keras
import numpy as np
from keras import ops

from keras_patchdpm import _checks
from keras_patchdpm._registration import Configured, serializable
from keras_patchdpm.grid import PatchGrid
from keras_patchdpm.patching.grid_patching import GridPatching
from keras_patchdpm.resize import Enlarged, enlarge, enlarge_part, shrink
from keras_patchdpm.windows import coordinates, cut

DETAIL_SCALE = 0.25  # Faces' detail over it is spread as widely as faces are.


@serializable
class CascadePatching(Configured):
    """One network makes a thumbnail, and then images of twice the size, by patches.

    The thumbnail has the size of a patch. In each stage after it, the network is given
    the thumbnail, and the part of the stage before where the patch lies, enlarged: both
    are clean. What it makes is the detail, by which the image differs from the enlarged
    stage before. So patches agree on what the image shows before any of them is made,
    and no call of the network takes more memory than that of one patch.

    Args:
        divisions: Int N, a power of 2: the last stage has a grid of N x N patches.
        moving: Bool. Whether the grids are shifted at random at every step.
        content_noise: Float of at least 0. Training adds noise of a random standard
            deviation up to this to the images of earlier stages, which in sampling are
            generated and so never perfect. The network is conditioned on the standard
            deviation.
        sampling_noise: Float of at least 0, or one for each stage after the first.
            Sampling adds noise of this standard deviation to the images of earlier
            stages, and conditions the network on it. It hides small flaws.

    Raises:
        TypeError: If `divisions` is not an int, `moving` not a bool, or a noise not a
            number.
        ValueError: If `divisions` is no power of 2, a noise is negative, or there are
            more or fewer than stages after the first.

    Example:

    >>> patching = CascadePatching(4)    # 16 x 16, 32 x 32, then 64 x 64 pixels

    Source: Ho et al. 2022 (arXiv:2106.15282), sections 3 and 4; detail: Denton et al.
    2015 (arXiv:1506.05751), section 2.2; Arakawa et al. 2023 (arXiv:2304.07087),
    section 6, name content that is made once as future work.
    """

    patches_per_image = 1

    def __init__(self, divisions, moving=True, content_noise=0.1, sampling_noise=0.0):
        self.divisions = _checks.positive_int("divisions", divisions)
        if self.divisions & (self.divisions - 1):
            raise ValueError(
                "A cascade doubles the size of the image in each stage: `divisions` "
                "must be a power of 2. `GridPatching` (`train --patching grid`) takes "
                f"any. Received: divisions={divisions}."
            )
        self.grid = PatchGrid(self.divisions)
        self.moving = _checks.boolean("moving", moving)
        self.content_noise = _checks.real("content_noise", content_noise, 0)
        self.num_stages = self.divisions.bit_length()
        self.sampling_noise = self._each("sampling_noise", sampling_noise)

    @property
    def num_patches(self):
        """Patches of an image in a step of the last stage."""
        return self._stage(self.num_stages - 1).num_patches

    def input_specs(self, image_shape):
        """What a network is given, beside the noise level: see `GridPatching`."""
        *image_size, channels = _checks.shape("image_shape", image_shape)
        patch = (*self.grid.patch_size(image_size), channels)
        return {
            "noisy": (patch, "float32"),
            "coordinates": ((*patch[:2], 2), "float32"),
            "content": (patch, "float32"),
            "local_content": (patch, "float32"),
            "content_noise": ((), "float32"),
            "stage": ((), "int32"),
        }

    def first_stages(self, divisions):
        """The cascade that ends at an earlier stage.

        Args:
            divisions: Power of 2 up to the cascade's own: patches on each side of the
                image of that stage.

        Raises:
            TypeError: If `divisions` is not an int.
            ValueError: If `divisions` is no power of 2, or more than there are.
        """
        divisions = _checks.positive_int("divisions", divisions)
        known = [2**number for number in range(self.num_stages)]
        if divisions not in known:
            raise ValueError(
                f"A cascade of {self.divisions}x{self.divisions} patches also makes "
                f"smaller images. Its `divisions` are {known}. "
                f"Received: divisions={divisions}."
            )
        noise = self.sampling_noise[: divisions.bit_length() - 1]
        return CascadePatching(divisions, self.moving, self.content_noise, noise)

    def image_shape(self, patch_shape):
        """`(height, width, channels)` of the image made of patches of that shape."""
        h, w, channels = _checks.shape("patch_shape", patch_shape)
        return h * self.divisions, w * self.divisions, channels

    def stages(self, image_shape):
        """What is sampled one after another: see `GridPatching`."""
        height, width, channels = _checks.shape("image_shape", image_shape)
        self.grid.patch_size((height, width))
        shapes = []
        for number in range(self.num_stages):
            times = 2 ** (self.num_stages - 1 - number)
            shapes.append((height // times, width // times, channels))
        return [(self._stage(number), shape) for number, shape in enumerate(shapes)]

    def cut(self, clean, noise, corrupt, seed):
        """Cuts one patch of a random stage out of each image: see `GridPatching`."""
        batch, image_shape = ops.shape(clean)[0], tuple(clean.shape[1:])
        h, w, _ = self.input_specs(image_shape)["noisy"][0]
        stage = keras.random.randint(
            (batch,), 0, self.num_stages, dtype="int32", seed=seed
        )
        content_noise = keras.random.uniform(
            (batch,), 0, self.content_noise, dtype="float32", seed=seed
        )
        examples, made = [], []
        for patching, shape in self.stages(image_shape):
            images = shrink(clean, shape[:2])
            examples.append(patching.example(images, made, content_noise, seed))
            made.append(disturb(images, content_noise, seed))
        chosen = {
            name: _choose([example[name] for example in examples], stage)
            for name in examples[0]
        }
        noisy, target = corrupt(chosen.pop("clean"), noise[:, :h, :w])
        return {"noisy": noisy, "stage": stage, **chosen}, target

    def get_config(self):
        return {
            "divisions": self.divisions,
            "moving": self.moving,
            "content_noise": self.content_noise,
            "sampling_noise": list(self.sampling_noise),
        }

    def _stage(self, number):
        noise = self.sampling_noise[number - 1] if number else 0.0
        return _Stage(number, self.moving, noise)

    def _each(self, name, value):
        """A number for each stage after the first, a tuple."""
        count = self.num_stages - 1
        number = functools.partial(_checks.real, minimum=0)
        if isinstance(value, numbers.Real):
            return (number(name, value),) * count
        return _checks.sequence(name, value, number, count, least=0)


class _Stage(GridPatching):
    """The patches of one stage, whose contents are what the stages before made.

    What is diffused is the thumbnail, and after it the detail over `DETAIL_SCALE`.
    """

    def __init__(self, number, moving, sampling_noise):
        moving = moving and number > 0
        super().__init__(2**number, "coordinates", content=False, moving=moving)
        self.number = number
        self.sampling_noise = sampling_noise

    def key(self):
        return type(self), self.number, self.moving, self.sampling_noise

    def example(self, images, made, content_noise, seed):
        """A patch of what is diffused, and what the network is told of it."""
        image_size = tuple(images.shape[1:3])
        windows = self.windows(image_size)
        _, corners = self._draw(ops.shape(images)[0], windows, seed)
        thumbnail, before = self._contents(images, made)
        local = enlarge(before, image_size)
        clean = (images - local) / DETAIL_SCALE if self.number else images
        return {
            "clean": cut(clean, corners, windows.size)[:, 0],
            "coordinates": coordinates(corners, windows.size, image_size)[:, 0],
            "content": thumbnail,
            "local_content": cut(local, corners, windows.size)[:, 0],
            "content_noise": content_noise if self.number else 0 * content_noise,
        }

    def given(self, made, draws):
        if not self.sampling_noise:
            return tuple(made)
        found = []
        for source, images in enumerate(made):
            images = images.copy()
            for image, draw in zip(images, draws(source), strict=True):
                noise = draw.standard_normal(image.shape, "float32")
                image += np.float32(self.sampling_noise) * noise
            found.append(images)
        return tuple(found)

    def maps(self, given, image_size):
        if not self.number:
            return {}
        return {"local_content": Enlarged(given[-1], image_size)}

    def image_conditions(self, noisy, given):
        batch = noisy.shape[0]
        conditions = {
            "content_noise": ops.full((batch,), self.sampling_noise, "float32"),
            "stage": ops.full((batch,), self.number, "int32"),
        }
        if self.number:
            return {**conditions, "content": given[0]}
        nothing = ops.zeros_like(noisy)
        return {**conditions, "content": nothing, "local_content": nothing}

    def bounds(self, inputs):
        if not self.number:
            return super().bounds(inputs)
        return [(edge - inputs["local_content"]) / DETAIL_SCALE for edge in (-1, 1)]

    def finish(self, result, made):
        if not self.number:
            return result
        image_size = result.shape[1:3]
        height = image_size[0] // self.grid.rows
        # A row of patches at a time: the whole would be one more image in memory.
        for top in range(0, image_size[0], height):
            part = (slice(top, top + height), slice(None))
            result[:, *part] *= DETAIL_SCALE
            result[:, *part] += enlarge_part(made[-1], image_size, part)
        return result

    def _contents(self, images, made):
        """The thumbnail and the stage before, zeros where there is none."""
        if not self.number:
            nothing = ops.zeros_like(images)
            return nothing, nothing
        return made[0], made[-1]


def _choose(values, stage):
    """Of the tensors of the stages, those of each image's own."""
    index = ops.reshape(stage, (-1, 1, *([1] * (len(values[0].shape) - 1))))
    return ops.take_along_axis(ops.stack(values, axis=1), index, axis=1)[:, 0]


def disturb(images, scale, seed):
    """Adds noise of the standard deviation `scale`, of shape `(B,)`."""
    noise = keras.random.normal(ops.shape(images), dtype="float32", seed=seed)
    return images + ops.reshape(scale, (-1, 1, 1, 1)) * noise
