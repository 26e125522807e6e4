"""The contract of all patchings."""

import abc
import typing

from keras_patchdpm._registration import Configured

KINDS = ("map", "content", "position", "index", "number")


class InputSpec(typing.NamedTuple):
    """One input of a network.

    Attributes:
        shape: Tuple, without the batch axis. `None` for an open size.
        dtype: String.
        kind: How `networks.unet` joins the input. `"map"`: with the channels of the
            noisy image. `"content"`: with the channels, by
            `GlobalContentConditioning`. Into the embedding: `"position"` by
            `PositionOneHotEmbedding`, `"index"` as a learned vector for each value,
            `"number"` as sines and cosines of a float of about 0 to 1.
        size: Int. Values of a `"position"` or an `"index"`. Default `None`.

    Example:

    >>> GridPatching(2).input_specs((64, 64, 3))["patch_index"]
    InputSpec(shape=(), dtype='int32', kind='position', size=4)
    """

    shape: tuple
    dtype: str
    kind: str = "map"
    size: int | None = None


class Patching(Configured, abc.ABC):
    """What the network sees of an image, and what it is conditioned on.

    This is the base class of all patchings. The methods here are the training half;
    the sampling half is the list of `Stage`s that `stages` returns. `networks.unet`,
    `PatchDPM`, `PatchSampler` and the memory plans use nothing else.
    `keras_patchdpm.testing.check_patching` tests a patching.

    Attributes:
        patches_per_image: Positive int. Patches of each image in a training step.

    Example, quadrants without a position:

    >>> import keras_patchdpm as kp
    >>> from keras_patchdpm.patching import InputSpec, Patching, Stage, Tiling
    >>> class Quadrants(Patching):
    ...     def input_specs(self, image_shape):
    ...         h, w, channels = image_shape
    ...         return {"noisy": InputSpec((h // 2, w // 2, channels), "float32")}
    ...
    ...     def image_shape(self, window_shape):
    ...         h, w, channels = window_shape
    ...         return 2 * h, 2 * w, channels
    ...
    ...     def example(self, images, add_noise, seed_generator):
    ...         noisy, target = add_noise(images)
    ...         h, w = images.shape[1] // 2, images.shape[2] // 2
    ...         return {"noisy": noisy[:, :h, :w]}, target[:, :h, :w]
    ...
    ...     def stages(self, image_shape):
    ...         return [Stage(Tiling(image_shape[:2], 2), image_shape[2])]
    ...
    ...     def get_config(self):
    ...         return {}
    >>> kp.networks.unet(16, Quadrants(), width=8).input["noisy"].shape
    (None, 8, 8, 3)
    """

    patches_per_image = 1

    @abc.abstractmethod
    def input_specs(self, image_shape):
        """The inputs of a network, beside the noise level and the label.

        Called by the builder of a network and by `PatchDPM`.

        Args:
            image_shape: `(height, width, channels)` of the whole image.

        Returns:
            Dict of names to `InputSpec`. `noisy` is the patch itself. Inputs are joined
            in the order of the dict.

        Raises:
            ValueError: If images of that shape cannot be divided.
        """

    @abc.abstractmethod
    def image_shape(self, window_shape):
        """The shape of the whole image, from that of the network's input `noisy`.

        Called by `PatchDPM`.

        Args:
            window_shape: `(h, w, channels)`.

        Returns:
            `(height, width, channels)`.
        """

    @abc.abstractmethod
    def example(self, images, add_noise, seed_generator):
        """Builds the example of a training step: network inputs and target.

        Called by `PatchDPM` in each step, in a compiled function.

        Args:
            images: Float tensor of shape `(B, H, W, C)`, in [-1, 1]. If `batches`
                returns dicts, their further tensors are keyword arguments.
            add_noise: Function of a float tensor `(B, ...)` to `(noisy, target)` of the
                same shape, at the noise level of each image. It draws noise of that
                shape: call it once, on the whole image where the network is
                conditioned on the whole noisy image, or on the patch.
            seed_generator: `keras.random.SeedGenerator`, for all random choices.

        Returns:
            `(inputs, target)`: a dict with the names of `input_specs`, and the target.
            All have `B * patches_per_image` rows, those of an image side by side.
        """

    @abc.abstractmethod
    def stages(self, image_shape):
        """How images are sampled.

        Called by `PatchDPM.tiled` without arguments, which is what `PatchSampler` uses.

        Args:
            image_shape: `(height, width, channels)` of the whole image.

        Returns:
            List of `Stage`s, sampled one after another. The last one has the images.
        """

    def tiled(self, image_shape, **options):
        """How images are sampled in tiles that are chosen for the sampling.

        Called by `PatchDPM.tiled`. By default nothing can be chosen: all tiles are as
        in training.

        Args:
            image_shape: `(height, width, channels)` of the training's images.
            **options: Those of `PatchDPM.tiled` that were given.

        Returns:
            List of `Stage`s.

        Raises:
            ValueError: If an option cannot be chosen for this patching.
        """
        self.refuse(options)
        return self.stages(image_shape)

    def refuse(self, options):
        """Refuses options of `tiled`, a dict of names to values.

        Raises:
            ValueError: If there is one.
        """
        for name, value in options.items():
            raise ValueError(
                f"`{name}` cannot be changed for the sampling of this model: a "
                f"{type(self).__name__} fixes it in training. Leave it out. "
                f"Received: {name}={value}."
            )

    def sampling_divisions(self, image_shape):
        """The N of N x N patches in which images can be sampled.

        Called by `sample` and `PatchDPM.presets`. By default those of the last stage.

        Args:
            image_shape: `(height, width, channels)` of the training's images.

        Returns:
            List of ints, the default last; for a grid that is not square its pair
            `(rows, cols)`.
        """
        rows, cols = self.stages(image_shape)[-1].tiling.grid.divisions
        return [rows if rows == cols else (rows, cols)]

    def options_of(self, divisions):
        """The options of `tiled` for one of `sampling_divisions`; called by `sample`.

        By default none: there is only one.

        Args:
            divisions: Int N or pair `(rows, cols)`.

        Returns:
            Dict.
        """
        return {}

    def window_sizes(self, image_shape):
        """The sizes of the patches in training.

        Called by `networks.unet`. By default the one size of `input_specs`.

        Args:
            image_shape: `(height, width, channels)` of the whole image.

        Returns:
            List of `(h, w)`.
        """
        return [self.input_specs(image_shape)["noisy"].shape[:2]]

    @property
    def cuts_batches(self):
        """Bool. Whether patches are cut while batches are made. Default: no.

        Such a patching has a method `batches`, as `RandomPatching`. `fit` and
        `evaluate` call it with the user's images, and train on what it returns. For a
        model with an augmentation, `batches` must accept `whole=True`, and a method
        `cut` must cut the patches out of the whole images. For several processes that
        train together, it must accept `shard`, the number of the process.
        """
        return False

    @property
    def mean_batch_multiplier(self):
        """Float. Images of a training step over `batch_size`, on average. Default 1."""
        return 1.0

    @abc.abstractmethod
    def get_config(self):
        """The arguments of the constructor, a dict of plain data."""
