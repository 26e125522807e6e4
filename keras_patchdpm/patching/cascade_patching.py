"""A cascade: first a clean thumbnail, then larger images in patches of its size."""

import functools
import numbers

import keras
from keras import ops

from keras_patchdpm import _checks
from keras_patchdpm._registration import serializable
from keras_patchdpm.grid import PatchGrid
from keras_patchdpm.patching.base import InputSpec, Patching
from keras_patchdpm.patching.batch_shares import by_stage
from keras_patchdpm.patching.conditions import coordinates_input
from keras_patchdpm.patching.stage import Stage
from keras_patchdpm.patching.tiling import Tiling
from keras_patchdpm.resize import enlarge, shrink
from keras_patchdpm.windows import coordinates, cut

SHIFT_BELOW = 0.55  # Borders are as faint as in real faces: docs/seams.md.
DETAIL_SCALE = 0.25  # Detail of faces over it has the standard deviation of faces.


@serializable
class CascadePatching(Patching):
    """One network generates a thumbnail, then images of twice the size, in patches.

    The thumbnail has the size of a patch. Each later stage doubles the image. There the
    network is conditioned on the thumbnail, and on the previous stage's image, enlarged
    and cut as the patch is; both are clean. It generates the detail: the difference
    between the image and the enlarged previous image. So all patches of an image are
    conditioned on the same clean content, and each network call has one patch's size.

    Args:
        divisions: Int N, a power of 2: the last stage has a grid of N x N patches.
        shift: Bool. Whether the grids are shifted at random. Default: yes, which hides
            the borders of the patches. A shifted grid has one more row and one more
            column of patches.
        shift_below: Number above 0, or one for each stage after the first: `sigma /
            alpha`, the strength of the noise below which the grids of a sampling are
            shifted. The steps before have fixed grids, with fewer patches. Default
            0.55. `None`: every step is shifted.
        content_noise: Float of at least 0. Training adds noise to the images of earlier
            stages, with a random standard deviation up to this value, since in sampling
            those images are generated and not perfect. The network is conditioned on
            the standard deviation. Default 0.1; 0: no such noise.
        sampling_noise: Float of at least 0, or one for each stage after the first.
            Sampling adds noise of this standard deviation to the images of earlier
            stages, and the network is conditioned on it. It hides small flaws of those
            images. Default 0: no such noise.
        stage_shares: Floats of at least 0, one for each stage: the shares of a training
            batch. Each image is trained at one stage, drawn at random. Default `None`:
            all stages have the same share.
        detail_scale: Number above 0, or one for each stage after the first. The network
            generates the detail over this number, which should vary as images do:
            `detail_scales` measures it. Default 0.25, for photographs of faces.

    Raises:
        TypeError: If `divisions` is not an int, `shift` not a bool, or a noise, share
            or scale not a number.
        ValueError: If `divisions` is no power of 2, a noise or share is negative, a
            scale not positive, or a sequence has the wrong length.

    Example:

    >>> patching = CascadePatching(4)    # 16 x 16, 32 x 32, then 64 x 64 pixels

    Source: Ho et al. 2022 (arXiv:2106.15282), sections 3 and 4; detail: Denton et al.
    2015 (arXiv:1506.05751), section 2.2. Content that is generated once is the future
    work of Arakawa et al. 2023 (arXiv:2304.07087), section 6.
    """

    def __init__(
        self,
        divisions,
        *,
        shift=True,
        shift_below=SHIFT_BELOW,
        content_noise=0.1,
        sampling_noise=0.0,
        stage_shares=None,
        detail_scale=DETAIL_SCALE,
    ):
        self.divisions = _checks.positive_int("divisions", divisions)
        if self.divisions & (self.divisions - 1):
            raise ValueError(
                "A cascade doubles the size of the image in each stage, so `divisions` "
                "must be a power of 2. `GridPatching` (`train --patching grid`) "
                f"accepts any number. Received: divisions={divisions}."
            )
        self.grid = PatchGrid(self.divisions)
        self.shift = _checks.boolean("shift", shift)
        self.content_noise = _checks.real("content_noise", content_noise, minimum=0)
        self.num_stages = self.divisions.bit_length()
        self.shift_below = None
        if shift_below is not None:
            self.shift_below = self._each("shift_below", shift_below, minimum=1e-6)
        self.sampling_noise = self._each("sampling_noise", sampling_noise, minimum=0)
        self.detail_scale = self._each("detail_scale", detail_scale, minimum=1e-6)
        self.stage_shares = None
        if stage_shares is not None:
            self.stage_shares = self._check_shares(stage_shares)

    def input_specs(self, image_shape):
        *image_size, channels = _checks.shape("image_shape", image_shape)
        h, w = self.grid.patch_size(image_size)
        image = InputSpec((h, w, channels), "float32")
        return {
            "noisy": image,
            "content": image._replace(kind="content"),
            "local_content": image,
            "coordinates": InputSpec((h, w, 2), "float32"),
            "stage": InputSpec((), "int32", "index", self.num_stages),
            "content_noise": InputSpec((), "float32", "number"),
        }

    def image_shape(self, window_shape):
        h, w, channels = _checks.shape("window_shape", window_shape)
        return h * self.divisions, w * self.divisions, channels

    def example(self, images, add_noise, seed_generator):
        def rows_of(images, number):
            return self._stage_rows(images, number, seed_generator)

        inputs = by_stage(
            rows_of, images, shares=self._shares, seed_generator=seed_generator
        )
        noisy, target = add_noise(inputs.pop("clean"))
        return {"noisy": noisy, **inputs}, target

    def stages(self, image_shape):
        *image_size, channels = _checks.shape("image_shape", image_shape)
        return [
            _stage(
                number,
                tiling,
                channels=channels,
                noise=(0.0, *self.sampling_noise)[number],
                detail_scale=(None, *self.detail_scale)[number],
                shift_below=self._shift_below(number) if tiling.shift else None,
            )
            for number, tiling in enumerate(self.tilings(image_size))
        ]

    def tiled(self, image_shape, divisions=None, **options):
        """The first stages, up to a grid of `divisions` x `divisions` patches."""
        self.refuse(options)
        stages = self.stages(image_shape)
        if divisions is None:
            return stages
        divisions = _checks.positive_int("divisions", divisions)
        known = self.sampling_divisions(image_shape)
        if divisions not in known:
            raise ValueError(
                f"`divisions` must be one of {known}, the stages of a cascade of "
                f"{self.divisions}x{self.divisions} patches. "
                f"Received: divisions={divisions}."
            )
        return stages[: divisions.bit_length()]

    def sampling_divisions(self, image_shape):
        """The divisions of all stages: an earlier stage has smaller images."""
        return [2**number for number in range(self.num_stages)]

    def options_of(self, divisions):
        """`divisions`: sampling ends at the stage with that grid."""
        return {"divisions": divisions}

    def get_config(self):
        below = self.shift_below
        return {
            "divisions": self.divisions,
            "shift": self.shift,
            "shift_below": None if below is None else list(below),
            "content_noise": self.content_noise,
            "sampling_noise": list(self.sampling_noise),
            "stage_shares": self.stage_shares and list(self.stage_shares),
            "detail_scale": list(self.detail_scale),
        }

    def tilings(self, image_size):
        """The `Tiling` of each stage."""
        height, width = image_size
        self.grid.patch_size((height, width))
        tilings = []
        for number in range(self.num_stages):
            times = 2 ** (self.num_stages - 1 - number)
            size = height // times, width // times
            tilings.append(Tiling(size, 2**number, shift=self.shift and number > 0))
        return tilings

    def _shift_below(self, number):
        """That of a stage after the first. `None`: every step is shifted."""
        return None if self.shift_below is None else self.shift_below[number - 1]

    @property
    def _shares(self):
        """The share of each stage in a training batch; their sum is 1."""
        shares = self.stage_shares or (1,) * self.num_stages
        return [share / sum(shares) for share in shares]

    def _stage_rows(self, images, number, seed_generator):
        """The training examples of one stage, one for each image: clean and inputs."""
        batch = ops.shape(images)[0]
        noise = keras.random.uniform(
            (batch,), 0, self.content_noise, dtype="float32", seed=seed_generator
        )
        *earlier, tiling = self.tilings(tuple(images.shape[1:3]))[: number + 1]
        previous = [
            disturb(shrink(images, one.image_size), noise, seed_generator)
            for one in earlier
        ]
        example = stage_example(
            shrink(images, tiling.image_size),
            previous,
            tiling=tiling,
            detail_scale=(None, *self.detail_scale)[number],
            content_noise=noise if number else 0 * noise,
            seed_generator=seed_generator,
        )
        return {**example, "stage": ops.full((batch,), number, "int32")}

    def _check_shares(self, shares):
        """Validates one share for each stage, not all of them 0."""
        number = functools.partial(_checks.real, minimum=0)
        shares = _checks.sequence("stage_shares", shares, number, count=self.num_stages)
        if not sum(shares):
            raise ValueError(
                "At least one stage must have a share above 0. "
                f"Received: stage_shares={list(shares)}."
            )
        return shares

    def _each(self, name, value, minimum):
        """Validates one number for all stages after the first, or one for each."""
        count = self.num_stages - 1
        number = functools.partial(_checks.real, minimum=minimum)
        if isinstance(value, numbers.Real):
            return (number(name, value),) * count
        wanted = "a number, or a list of one for each stage after the first"
        return _checks.sequence(
            name, value, number, count=count, least=0, wanted=wanted
        )


def _stage(number, tiling, *, channels, noise, detail_scale, shift_below):
    """The `Stage` of a `number`, where 0 is that of the thumbnail."""
    return Stage(
        tiling,
        channels,
        functools.partial(_image_inputs, number=number, noise=noise),
        functools.partial(coordinates_input, tiling=tiling),
        enlarged="local_content" if number else None,
        detail_scale=detail_scale,
        previous_noise=noise,
        shift_below=shift_below,
    )


def _image_inputs(noisy, previous, *, number, noise):
    """`image_inputs` of a `Stage`: thumbnail, number of the stage, content noise."""
    batch = noisy.shape[0]
    inputs = {
        "content_noise": ops.full((batch,), noise, "float32"),
        "stage": ops.full((batch,), number, "int32"),
    }
    if number:
        return {**inputs, "content": previous[0]}
    nothing = ops.zeros_like(noisy)
    return {**inputs, "content": nothing, "local_content": nothing}


def stage_example(
    images, previous, *, tiling, detail_scale, content_noise, seed_generator
):
    """The clean patch of a training example of one stage, and its conditions."""
    _, corners = tiling.draw(ops.shape(images)[0], 1, seed_generator)
    size, image_size = tiling.window_size, tiling.image_size
    content = local = ops.zeros_like(images)
    if previous:
        content, local = previous[0], enlarge(previous[-1], image_size)
        images = (images - local) / detail_scale
    return {
        "clean": cut(images, corners, size)[:, 0],
        "coordinates": coordinates(corners, size, image_size)[:, 0],
        "content": content,
        "local_content": cut(local, corners, size)[:, 0],
        "content_noise": content_noise,
    }


def disturb(images, scale, seed_generator):
    """Adds noise with the standard deviations `scale`, a tensor of shape `(B,)`."""
    noise = keras.random.normal(ops.shape(images), dtype="float32", seed=seed_generator)
    return images + ops.reshape(scale, (-1, 1, 1, 1)) * noise
