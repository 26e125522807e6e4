"""Random crops of mixed sizes, with coordinates: Patch Diffusion."""

import warnings

import numpy as np
from keras import ops

from keras_patchdpm import _checks
from keras_patchdpm._registration import serializable
from keras_patchdpm.patching import crop_sizes
from keras_patchdpm.patching.base import InputSpec, Patching
from keras_patchdpm.patching.crop_batches import CropBatches, one_each
from keras_patchdpm.patching.grid_patching import grid_stage
from keras_patchdpm.patching.tiling import Tiling
from keras_patchdpm.windows import pick, places


@serializable
class RandomPatching(Patching):
    """Trains on random crops: one size in each step, one position for each image.

    Steps with smaller crops have larger batches. The network receives the coordinates
    of every pixel in the whole image. With `content` it also receives the pooled whole
    image; the model can then be sampled in every grid whose patches have a size of the
    training: `PatchSampler(model.tiled(4), ...)`.

    Train with `model.fit(images)` or `model.fit(dataset)`: the crops are cut while the
    batches are built. By default, a step of `batch_size` B has B crops of the whole
    size, or 4 B crops of a quarter of the side. An epoch has as many steps as one of
    whole images.

    Args:
        image_size: Positive int or pair `(height, width)`: pixels of the whole image.
        fractions: Floats in (0, 1]: the sides of the crops, divided by those of the
            image. Default `(0.25, 0.5, 1.0)`, as in Wang et al.
        probabilities: Floats, the probability of each size in a step. Default `None`:
            those of Wang et al., from `full_size_probability`.
        full_size_probability: Float in [0, 1]. Probability of the largest size. The
            other sizes share the rest, the larger ones with more of it: 2 to 3 for two
            sizes. Default 0.5. Not used with `probabilities`.
        batch_multipliers: Positive ints, one for each size: the crops of a step over
            `batch_size`. Default `None`: one over the fraction, such as 4, 2 and 1.
        content: Bool. Whether the network receives the whole noisy image pooled to the
            size of the crop (GCC). Noise is then drawn for the whole image, which costs
            more than noise for the crop. Default: no, as in Wang et al.
        progressive: Bool. Whether training begins with the small sizes and ends with
            the large ones, each as often as its probability says. Default: no, the
            sizes are mixed.
        coordinates: Bool. Whether the network receives the coordinates of every pixel.
            Default: yes.

    Raises:
        TypeError: If an argument has the wrong type.
        ValueError: If a fraction of the image is no whole number of pixels, the
            probabilities do not sum to 1, or the lengths differ.

    Example:

    >>> patching = RandomPatching(64, content=True)
    >>> network = networks.unet(64, patching, width=64, schedule=EDMSchedule())
    >>> model = PatchDPM(network, EDMSchedule(), patching)

    Source: Wang et al. 2023 (arXiv:2304.12526), sections 3.1 and 3.2; content: Arakawa
    et al. 2023 (arXiv:2304.07087), section 3.3.
    """

    def __init__(
        self,
        image_size,
        fractions=(0.25, 0.5, 1.0),
        probabilities=None,
        *,
        full_size_probability=0.5,
        batch_multipliers=None,
        content=False,
        progressive=False,
        coordinates=True,
    ):
        self.image_size = _checks.pair("image_size", image_size)
        self.fractions = crop_sizes.check_fractions(fractions)
        self.sizes = crop_sizes.sizes(self.fractions, self.image_size)
        self.full_size_probability = _checks.real(
            "full_size_probability", full_size_probability, minimum=0, maximum=1
        )
        self.given_probabilities = None
        if probabilities is None:
            self.probabilities = crop_sizes.probabilities_of_wang(
                self.fractions, self.full_size_probability
            )
        else:
            self.probabilities = crop_sizes.check_probabilities(
                probabilities, self.fractions
            )
            self.given_probabilities = self.probabilities
        if batch_multipliers is None:
            batch_multipliers = [round(1 / fraction) for fraction in self.fractions]
        self.batch_multipliers = _checks.sequence(
            "batch_multipliers", batch_multipliers, _checks.positive_int
        )
        crop_sizes.check_length(
            "batch_multipliers", self.batch_multipliers, self.fractions
        )
        self.content = _checks.boolean("content", content)
        self.progressive = _checks.boolean("progressive", progressive)
        self.coordinates = _checks.boolean("coordinates", coordinates)
        if self.content:
            crop_sizes.check_pooling(self.sizes, self.fractions, self.image_size)

    @property
    def mean_batch_multiplier(self):
        """Float. Mean number of crops in a step over `batch_size`. Default: 1.9."""
        return float(np.dot(self.probabilities, self.batch_multipliers))

    def input_specs(self, image_shape):
        *size, channels = _checks.shape("image_shape", image_shape)
        if tuple(size) != self.image_size:
            raise ValueError(
                f"The patching was built for images of {self.image_size} pixels. Build "
                "it for the size of the training images (for a model of latents, the "
                f"size of the latents). Received: images of {tuple(size)} pixels, "
                f"image_shape={image_shape}."
            )
        image = InputSpec((None, None, channels), "float32")
        specs = {"noisy": image}
        if self.content:
            specs["content"] = image._replace(kind="content")
        if self.coordinates:
            specs["coordinates"] = InputSpec((None, None, 2), "float32")
        return specs

    def image_shape(self, window_shape):
        channels = _checks.sequence("window_shape", window_shape, _side, count=3)[-1]
        return (*self.image_size, channels)

    def batches(
        self,
        images,
        batch_size,
        seed,
        *,
        sample_weight=None,
        epochs=1,
        labels=None,
        whole=False,
        shard=0,
    ):
        """Batches of crops, with the position of each crop; called by `fit`.

        Args:
            images: Array `(count, H, W, C)`, or a data set of batches of images with a
                length.
            batch_size: Positive int, for an array. A data set has its own.
            seed: Non-negative int. Seed of the sizes, the positions and the order of
                the images.
            sample_weight: Array `(count,)` of weights in the loss, for an array of
                images. Default `None`: all have 1.
            epochs: Positive int, the epochs of the training. Only `progressive` needs
                it. Default 1.
            labels: Int array `(count,)`. A data set has its own. Default `None`: no
                labels.
            whole: Bool. Whether batches have the whole images, which the model cuts
                after an augmentation. Default: the crops, if the network receives no
                content.
            shard: Int of at least 0, the number of this process among those that train
                together. All have the same size in each step, at other positions, and
                each has its own order of an array. Default 0.

        Returns:
            `CropBatches`.
        """
        if hasattr(images, "shape"):
            self.input_specs(_checks.images("images", images))
            batch_size = _checks.positive_int("batch_size", batch_size)
            if sample_weight is not None:
                sample_weight = one_each("sample_weight", sample_weight, len(images))
            if labels is not None:
                labels = one_each("labels", labels, len(images), whole=True)
        seed = _checks.integer("seed", seed, minimum=0)
        epochs = _checks.positive_int("epochs", epochs)
        return CropBatches(
            self,
            images,
            batch_size=batch_size,
            seed=seed,
            sample_weight=sample_weight,
            epochs=epochs,
            labels=labels,
            whole=_checks.boolean("whole", whole) or self.content,
            shard=_checks.integer("shard", shard, minimum=0),
        )

    def cut(self, images, *, rows, cols):
        """Cuts the crops out of whole images, for `example`; crops are returned.

        Called by `PatchDPM` after an augmentation. With `content` the images stay
        whole, and `example` cuts them.
        """
        if self.content or tuple(images.shape[1:3]) != self.image_size:
            return images
        return pick(images, rows, cols)

    def example(self, images, add_noise, seed_generator, *, rows, cols):
        """The network's inputs and target, for crops whose positions are in the batch.

        Args:
            images: Float tensor: with `content` the whole images `(B, H, W, C)`,
                otherwise the crops `(B, h, w, C)`.
            add_noise, seed_generator: See `Patching`.
            rows, cols: Int tensors `(B, h)` and `(B, w)`: rows and columns of the
                pixels of each crop.

        Returns:
            `(inputs, target)`.
        """
        noisy, target = add_noise(images)
        inputs = {}
        if self.coordinates:
            inputs["coordinates"] = places(rows, cols, self.image_size)
        if self.content:
            inputs["content"] = self._pooled(noisy, ops.shape(rows), ops.shape(cols))
            noisy, target = pick(noisy, rows, cols), pick(target, rows, cols)
        return {"noisy": noisy, **inputs}, target

    def stages(self, image_shape):
        return self.tiled(image_shape)

    def tiled(
        self,
        image_shape,
        divisions=1,
        *,
        shift=False,
        overlap=None,
        image_size=None,
        whole_above=None,
    ):
        """Any grid, with shift or overlap, for images of any size."""
        channels = _checks.shape("image_shape", image_shape)[-1]
        size = self.image_size
        if image_size is not None:
            size = crop_sizes.other_size(
                image_size, self.image_size, coordinates=self.coordinates
            )
        tiling = Tiling(size, divisions, shift=shift, overlap=overlap)
        if tiling.window_size not in self.sizes:
            trained = ", ".join(f"{h}x{w}" for h, w in self.sizes)
            h, w = tiling.window_size
            warnings.warn(
                f"The model was trained on crops of {trained} pixels, but is sampled "
                f"in patches of {h}x{w}, a size that it was not trained on. Choose "
                "other `divisions`, or add this size to the `fractions` of its "
                "`RandomPatching` and train it again. "
                f"Received: divisions={tiling.grid.divisions}.",
                stacklevel=4,
            )
        position = "coordinates" if self.coordinates else False
        return [grid_stage(tiling, channels, position=position, content=self.content)]

    def sampling_divisions(self, image_shape):
        """The divisions whose patches have a size of the training."""
        numbers = {round(1 / fraction): fraction for fraction in self.fractions}
        return sorted(n for n, one in numbers.items() if abs(n * one - 1) < 1e-6)

    def options_of(self, divisions):
        """The grid, shifted at random in every step if it has several patches."""
        return {"divisions": divisions, "shift": divisions > 1}

    def window_sizes(self, image_shape):
        """The sizes of the crops."""
        return self.sizes

    @property
    def cuts_batches(self):
        """Bool. `True`: crops are cut while batches are built."""
        return True

    def get_config(self):
        return {
            "image_size": self.image_size,
            "fractions": self.fractions,
            "probabilities": self.given_probabilities,
            "full_size_probability": self.full_size_probability,
            "batch_multipliers": self.batch_multipliers,
            "content": self.content,
            "progressive": self.progressive,
            "coordinates": self.coordinates,
        }

    def _pooled(self, noisy, rows_shape, cols_shape):
        """The whole image pooled to the size of a crop, which a graph may not know."""
        (height, width), channels = self.image_size, noisy.shape[-1]
        h, w = rows_shape[1], cols_shape[1]
        areas = ops.reshape(noisy, (-1, h, height // h, w, width // w, channels))
        return ops.mean(areas, axis=(2, 4))


def _side(name, value):
    """Validates the side of a crop; `None` if it is not fixed."""
    return None if value is None else _checks.positive_int(name, value)
