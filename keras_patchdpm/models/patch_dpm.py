"""The diffusion model: a network, a schedule and a patching, trained by Keras."""

import keras
from keras import ops

from keras_patchdpm import _checks, _images, runtime
from keras_patchdpm._registration import serializable
from keras_patchdpm.augmentation import LABELS
from keras_patchdpm.models import (
    _augmented,
    _ema,
    _labels,
    _parts,
    _seed_state,
    _weights,
)
from keras_patchdpm.models._preset_model import PresetModel
from keras_patchdpm.models._train_step import SeedGenerator
from keras_patchdpm.networks.recorded import record, recorded
from keras_patchdpm.patching import tiled_model


@serializable
class PatchDPM(PresetModel):
    """A diffusion model that is trained and sampled on patches of images.

    `compile`, `fit`, `evaluate`, callbacks, mixed precision, gradient accumulation,
    averaged weights and saving are those of Keras. A training step draws a noise level
    and noise for each whole image, cuts patches out of the noisy image, and passes the
    network's inputs and target to Keras.

    Args:
        network: Functional model over a dict of inputs: `noisy` `(B, h, w, C)`,
            `timestep` `(B,)`, the inputs that the patching computes, and `label`
            `(B,)` if the model is trained on labels (see `networks.unet`).
        schedule: `DDPMSchedule`, `EDMSchedule` or a `Schedule` of your own. It defines
            the noise levels and the loss.
        patching: `GridPatching`, `CascadePatching`, `RandomPatching`, `WholeImage` or a
            `Patching` of your own. It defines what the network sees of an image.
        seed: Int in [0, 2**31). Seed of noise levels, noise and patches in training.
            Default 0.
        test_seed: Int in [0, 2**31). Seed of `evaluate`, which starts from it in each
            call. Default 1234.
        label_dropout: Float in [0, 1]. Probability that a label is replaced by "no
            label" in training; `Guidance` by labels needs it above 0. Not used by a
            network without labels. Default 0.1.
        latents: Bool. Whether the model is trained on latents: floats of any range and
            any number of channels (see `LatentSpace`). Default `False`: on images.
        augmentation: `GeometricAugmentation` of the training images, for a network with
            the input `augmentation_labels`. `evaluate` and sampling use images that are
            not transformed. Default `None`: none.
        **kwargs: Passed to `keras.Model` (`name`, `dtype`).

    Raises:
        ValueError: If the network's inputs differ from those of the patching, or an
            argument is out of range.

    Example:

    >>> patching = GridPatching(2)
    >>> network = networks.unet(64, patching, width=64)
    >>> model = PatchDPM(network, DDPMSchedule("cosine"), patching)
    >>> model.compile(optimizer=keras.optimizers.Adam(1e-4, use_ema=True))
    >>> model.fit(images, epochs=10)    # uint8 [0, 255] or float [-1, 1]

    Source: Arakawa et al. 2023 (arXiv:2304.07087), section 3.
    """

    def __init__(
        self,
        network,
        schedule,
        patching,
        *,
        seed=0,
        test_seed=1234,
        label_dropout=0.1,
        latents=False,
        augmentation=None,
        **kwargs,
    ):
        _parts.check_choices(schedule, patching)
        image_shape = patching.image_shape(_parts.patch_shape(network, patching))
        labels = _augmented.check(augmentation, network, latents=latents)
        specs = {**patching.input_specs(image_shape), **labels}
        num_classes = _parts.check_network(network, specs)
        _parts.check_timestep(network, schedule)
        # Loss scaling follows the policy of the model that is compiled.
        kwargs.setdefault("dtype", network.dtype_policy)
        # The network's layers cast their inputs; the input `timestep` stays exact.
        super().__init__(autocast=False, **kwargs)
        self.network = network
        self.schedule = schedule
        self.patching = patching
        self.augmentation = augmentation
        self.image_shape = image_shape
        self.num_classes = num_classes
        self.label_dropout = _checks.real(
            "label_dropout", label_dropout, minimum=0, maximum=1
        )
        self.latents = _checks.boolean("latents", latents)
        if self.latents:
            _parts.warn_of_growing_errors(schedule)
        self.seed = _parts.check_seed("seed", seed)
        self.test_seed = _parts.check_seed("test_seed", test_seed)
        self.seed_generator = SeedGenerator(self.seed)
        self.test_seed_generator = SeedGenerator(self.test_seed)
        self.epochs_trained = 0  # Since it was built or loaded; crops depend on it.
        self._schedule_loss = schedule.make_loss()
        runtime.check_process()
        self.built = True  # The network is functional, so all variables exist.

    def tiled(
        self,
        divisions=None,
        *,
        shift=None,
        overlap=None,
        image_size=None,
        whole_above=None,
        **others,
    ):
        """The model with other patches, or another image size, than in training.

        `PatchSampler`, `memory.profile` and `memory.plan` accept the result. The
        patching decides which options can be chosen. `CascadePatching`: `divisions`,
        for the smaller images of an earlier stage. `RandomPatching`: all options. Other
        patchings of this package: none. One of your own: what its `tiled` accepts.

        Args:
            divisions: Positive int N or pair `(rows, cols)`: the grid of patches. For a
                cascade a power of 2, at most its own `divisions`. Default: all stages
                of a cascade; 1 for `RandomPatching`, the whole image, as in Wang et al.
            shift: Bool. Whether the grid is shifted at random in every step, so that
                patches have other borders in each step. Default: no.
            overlap: Float in (0, 0.9]. Share of a patch's side that the next patch
                covers too. There the result is the mean of both, with Gaussian weights.
                Default: no overlap.
            image_size: Positive int or pair `(height, width)`: size of the images to
                generate. Patches should have a size that was used in training. Default:
                the size of the training images.
            whole_above: Positive float, a strength of the noise, `sigma / alpha`. In
                steps above it, the whole image is one patch: one network call, which
                needs the memory of the whole image. Default: no such steps.
            **others: Further options, of a patching of your own.

        Returns:
            `patching.TiledModel`.

        Raises:
            TypeError: If an option has the wrong type.
            ValueError: If an option is out of range, or cannot be chosen for the
                patching.

        Example:

        >>> sampler = PatchSampler(model.tiled(4, shift=True), "heun", steps=18)
        """
        return tiled_model.tiled(
            self,
            divisions,
            shift=shift,
            overlap=overlap,
            image_size=image_size,
            whole_above=whole_above,
            **others,
        )

    def call(self, inputs, training=None):
        """The network's prediction for a dict of its inputs; called by Keras."""
        return self.network(inputs, training=training)

    def prepare(self, images, seed_generator, *, labels=None, training=True):
        """Draws noise level, noise and patches; called in each training and test step.

        All the mathematics of a step is here, the same on every backend.

        Args:
            images: Uint8 tensor in [0, 255] or float tensor in [-1, 1], of shape
                `(B, H, W, C)`. For `RandomPatching` a dict, as in its `batches`.
            seed_generator: `keras.random.SeedGenerator`, for all random choices.
            labels: Int tensor of shape `(B,)`. Default `None`: for a network without
                labels.
            training: Bool. Whether images are augmented, and some labels replaced by
                "no label", as `label_dropout` says. Default: yes.

        Returns:
            `(inputs, target, weight)`: the network's inputs, what it should return,
            and the weight of each patch in the loss (`None` if all weights are 1).
        """
        images, where = _images.and_places(images, self.patching)
        clean = _images.to_range(images, None if where else self.image_shape)
        batch = ops.shape(clean)[0]
        if self.augmentation is not None:
            clean, transformed = _augmented.apply(
                self, clean, where, seed_generator=seed_generator, training=training
            )
        timestep = self.schedule.draw(batch, seed_generator)

        def add_noise(clean):
            noise = keras.random.normal(
                ops.shape(clean), dtype="float32", seed=seed_generator
            )
            return self.schedule.add_noise(clean, noise, timestep)

        inputs, target = self.patching.example(
            clean, add_noise, seed_generator, **where
        )
        weight = self.schedule.weight(timestep)
        inputs["timestep"] = self._per_patch(timestep)
        if self.augmentation is not None:
            inputs[LABELS] = self._per_patch(transformed)
        _labels.require(labels, self.num_classes)
        if self.num_classes is not None:
            rate = self.label_dropout if training else 0.0
            labels = _labels.withhold(
                labels, self.num_classes, rate=rate, seed_generator=seed_generator
            )
            inputs["label"] = self._per_patch(labels)
        return inputs, target, None if weight is None else self._per_patch(weight)

    def prepare_batch(self, data, seed_generator, training=True):
        """`prepare` for a batch of Keras and its weights; called by `TrainStep`."""
        images, labels, sample_weight = keras.utils.unpack_x_y_sample_weight(data)
        inputs, target, weight = self.prepare(
            images, seed_generator, labels=labels, training=training
        )
        if sample_weight is not None:
            given = self._per_patch(_weights.per_image(sample_weight))
            weight = given if weight is None else weight * given
        if weight is not None:
            weight = ops.reshape(weight, (-1, 1, 1))
        return keras.utils.pack_x_y_sample_weight(inputs, target, weight)

    def export(self, filepath, *args, **kwargs):
        """Not supported: the error says to export the network instead."""
        raise NotImplementedError(
            "A PatchDPM cannot be exported. Export its network, which is all that "
            "sampling needs: `model.network.export(...)`. To save the whole model, use "
            f"`model.save('model.keras')`. Received: filepath={filepath!r}."
        )

    def ema_weights(self):
        """Context in which the model has the averaged weights of its optimizer.

        When the context ends, the model has its own weights again, bit for bit.

        Returns:
            A context manager.

        Raises:
            ValueError: If the optimizer has no averages, or was not used yet.

        Example:

        >>> with model.ema_weights():
        ...     images = PatchSampler(model, "ddim", 50)(num_images=4)
        """
        self.attach_state()
        return _ema.averaged(getattr(self, "optimizer", None))

    def save_own_variables(self, store):
        super().save_own_variables(store)
        _seed_state.save(self, store)

    def load_own_variables(self, store):
        super().load_own_variables(_seed_state.load(self, store))

    def get_config(self):
        serialize = keras.saving.serialize_keras_object
        own = {
            "network": serialize(self.network),
            "schedule": serialize(self.schedule),
            "patching": serialize(self.patching),
            "seed": self.seed,
            "test_seed": self.test_seed,
            "label_dropout": self.label_dropout,
            "latents": self.latents,
            "augmentation": serialize(self.augmentation),
            "network_arguments": recorded(self.network),
        }
        return {**super().get_config(), **own}

    @classmethod
    def from_config(cls, config):
        config = dict(config)
        for key in ("network", "schedule", "patching"):
            config[key] = keras.saving.deserialize_keras_object(config[key])
        if config.get("augmentation") is not None:
            config["augmentation"] = keras.saving.deserialize_keras_object(
                config["augmentation"]
            )
        record(config["network"], config.pop("network_arguments", None))
        return cls(**config)

    def _per_patch(self, values):
        """Repeats the value of each image for each of its patches."""
        count = self.patching.patches_per_image
        return values if count == 1 else ops.repeat(values, count, axis=0)
