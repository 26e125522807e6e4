"""The diffusion model: schedule, patching and network under Keras' own training."""

import keras
from keras import ops

from keras_patchdpm import _checks
from keras_patchdpm._registration import serializable
from keras_patchdpm.models import (
    _data,
    _ema,
    _images,
    _labels,
    _parts,
    _seed_state,
    presets,
)
from keras_patchdpm.models._portable import portable
from keras_patchdpm.models._precision import precision as in_precision
from keras_patchdpm.models._train_step import SeedGenerator, TrainStep
from keras_patchdpm.networks.recorded import record, recorded


@serializable
class PatchDPM(TrainStep):
    """A diffusion model that is trained, and sampled, on patches of images.

    `compile`, `fit`, `evaluate`, callbacks, precision, accumulation, averaging and
    saving are Keras' own. A step draws a noise level and noise for each whole image,
    cuts patches out of the noisy image, and hands network inputs and target to Keras.

    Args:
        network: Functional model over a dict of inputs: `noisy` `(B, h, w, C)`,
            `level` `(B,)`, what the patching gives, and `label` `(B,)` if it is to
            have one (see `networks.unet`).
        schedule: Noise levels and loss, a `DDPMSchedule` or `EDMSchedule`.
        patching: What the network sees: a `GridPatching`, `CascadePatching`,
            `RandomPatching` or `WholeImage`.
        seed: Int in [0, 2**31). Seed of levels, noise and patches in training.
        test_seed: The same for `evaluate`, which starts from it each time.
        label_dropout: Float in [0, 1], of a network that takes labels: how often a
            label is withheld in training, for guidance to compare with.
        latents: Bool. Whether what is trained on are latents, floats of any range and
            any number of channels, rather than images: see `LatentSpace`.
        **kwargs: Passed to `keras.Model` (`name`, `dtype`).

    Raises:
        ValueError: If the network's inputs are not what the patching gives, or a seed
            is out of range.

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
        seed=0,
        test_seed=1234,
        label_dropout=0.1,
        latents=False,
        **kwargs,
    ):
        _parts.check_choices(schedule, patching)
        image_shape = patching.image_shape(_parts.patch_shape(network, patching))
        num_classes = _parts.check_network(network, patching.input_specs(image_shape))
        _parts.check_level(network, schedule)
        _parts.warn_of_latents(latents, schedule)
        # Loss scaling follows the policy of the model that is compiled.
        kwargs.setdefault("dtype", network.dtype_policy)
        super().__init__(**kwargs)
        self.network = network
        self.schedule = schedule
        self.patching = patching
        self.image_shape = image_shape
        self.num_classes = num_classes
        self.label_dropout = _checks.real("label_dropout", label_dropout, 0, 1)
        self.latents = bool(latents)
        self.seed = _parts.check_seed("seed", seed)
        self.test_seed = _parts.check_seed("test_seed", test_seed)
        self.train_draws = SeedGenerator(self.seed)
        self.test_draws = SeedGenerator(self.test_seed)
        self._level_loss = schedule.make_loss()
        self.built = True  # All variables are there: the network is functional.

    @classmethod
    def from_preset(cls, preset, precision=None):
        """A trained model that comes with the package, or is in a folder.

        Args:
            preset: Name of a built-in preset (`PatchDPM.presets()` lists them), or path
                of a folder that `save_to_preset` or `train` wrote.
            precision: Keras dtype policy, such as `"mixed_float16"`, for devices that
                compute in it: on CPUs it takes more memory, not less. `None` for the
                global one.

        Returns:
            `PatchDPM`, not compiled.

        Raises:
            ValueError: If there is no such preset (those there are, are listed), or
                a file of it is damaged; the message names the file.

        Example:

        >>> model = PatchDPM.from_preset("faces64_n2")
        """
        with in_precision(precision):
            return cls(**presets.load(preset))

    @staticmethod
    def presets():
        """Lists the trained models that come with the package.

        Returns:
            List of dicts of `name`, `image_size` (`(height, width)` in pixels), `n` (a
            list: images are made in `n` x `n` patches), `licence` of the weights, and
            `bytes` of their file.

        Example:

        >>> [preset["name"] for preset in PatchDPM.presets()]
        ['faces64_n2', 'faces64_n2_cascade', 'faces64_n4_cascade']
        """
        return presets.listing()

    def save_to_preset(self, folder, card=None):
        """Writes the model as a preset, which `from_preset` reads.

        A preset is a few plain files to share or to sample from. The weights are those
        that the model has now, in float16; optimizer and seeds are left out. To
        continue a training, use `model.save("model.keras")` instead. After `fit` with
        `use_ema=True` the weights are the averaged ones.

        Args:
            folder: Path, created if need be. A preset that is there is replaced.
            card: String, the text of `card.md`: what the model shows, its training
                images, their licence. `{sha256}` in it becomes the checksum of the
                weights. `None` for a line that says how it was written.

        Raises:
            TypeError: If `folder` is no path, or `card` no string.
            ValueError: If the network, schedule or patching is none of the package's, a
                weight is not finite, or `folder` is the name of a built-in preset.
            OSError: If a file cannot be written.

        Example:

        >>> model.save_to_preset("runs/mine", card="Trained on my photographs.")
        >>> images = keras_patchdpm.sample(preset="runs/mine")
        """
        presets.save_model(self, folder, card)

    def call(self, inputs, training=None):
        """The network's prediction of a dict of its inputs."""
        return self.network(inputs, training=training)

    def prepare(self, images, seed, labels=None, training=True):
        """Draws level, noise and patches: all the mathematics of a training step.

        Args:
            images: Uint8 tensor in [0, 255] or float tensor in [-1, 1], of shape
                `(B, H, W, C)`; of a `RandomPatching` a dict of what its batches hold.
            seed: `keras.random.SeedGenerator`.
            labels: Int tensor of shape `(B,)`, of a network that takes them.
            training: Bool. Whether some labels are withheld.

        Returns:
            `(inputs, target, weight)`: the network's inputs, what it should return,
            and the weight of each patch in the loss (`None` if all weigh the same).
        """
        images, where = _images.and_places(images, self.patching)
        clean = _images.to_range(images, None if where else self.image_shape)
        batch = ops.shape(clean)[0]
        level = self.schedule.draw(batch, seed)
        noise = keras.random.normal(ops.shape(clean), dtype="float32", seed=seed)

        def corrupt(clean, noise):
            return self.schedule.corrupt(clean, noise, level)

        inputs, target = self.patching.cut(clean, noise, corrupt, seed, **where)
        weight = self.schedule.weight(level)
        inputs["level"] = self._per_patch(level)
        _labels.require(labels, self.num_classes)
        if self.num_classes is not None:
            rate = self.label_dropout if training else 0.0
            labels = _labels.withhold(labels, self.num_classes, rate, seed)
            inputs["label"] = self._per_patch(labels)
        return inputs, target, None if weight is None else self._per_patch(weight)

    def prepare_batch(self, data, seed, training=True):
        """`prepare` for a batch as Keras hands it over, sample weights included."""
        images, labels, sample_weight = keras.utils.unpack_x_y_sample_weight(data)
        inputs, target, weight = self.prepare(images, seed, labels, training)
        if sample_weight is not None:
            given = self._per_patch(_images.per_image(sample_weight))
            weight = given if weight is None else weight * given
        if weight is not None:
            weight = ops.reshape(weight, (-1, 1, 1))
        return keras.utils.pack_x_y_sample_weight(inputs, target, weight)

    def compute_loss(
        self, x=None, y=None, y_pred=None, sample_weight=None, training=True
    ):
        """The schedule's loss, or the one given to `compile`, and the layers' own."""
        if self.loss is not None:
            return super().compute_loss(x, y, y_pred, sample_weight, training)
        # A `Loss` object: under `tf.distribute` it divides by the replicas.
        loss = self._level_loss(y, y_pred, sample_weight)
        if self.losses:  # Without a loss of its own, Keras gives the layers'.
            loss = loss + super().compute_loss(x, y, y_pred, sample_weight, training)
        return loss

    def compile(self, *args, jit_compile="auto", **kwargs):
        """`keras.Model.compile`; without a `loss`, the schedule's is used.

        Args:
            *args, jit_compile, **kwargs: As in `keras.Model.compile`.
        """
        super().compile(*args, jit_compile=jit_compile, **kwargs)
        self._asked_jit_compile = jit_compile
        # Keras would build loss and metrics from a batch of images: build them from
        # what they will compare, a target and a prediction.
        example = ops.zeros((1, *_parts.some_shape(self.network.output_shape[1:])))
        for metric in self.metrics:
            if not getattr(metric, "built", True):
                metric.build(example, example)
        if self.loss is not None:
            self.compute_loss(None, example, example)
        _ema.warn_of_accumulation(self.optimizer)

    def get_compile_config(self):
        """How the model was compiled; `"auto"` is left to the backend that loads it."""
        config = super().get_compile_config()
        if not config:
            return config
        return portable({**config, "jit_compile": self._asked_jit_compile})

    def compile_from_config(self, config):
        """Compiles as the saved model was (Keras asks for this beside `compile`)."""
        self.compile(**keras.saving.deserialize_keras_object(config))
        if self.optimizer is not None:
            self.optimizer.build(self.trainable_variables)

    def fit(self, x=None, y=None, sample_weight=None, **kwargs):
        """`keras.Model.fit` on images, which are looked at first.

        With `use_ema=True`, Keras leaves the averaged weights in the model at the end.

        Args:
            x: Images, uint8 in [0, 255] or float in [-1, 1]: an array `(B, H, W, C)`,
                a `tf.data.Dataset`, a `keras.utils.PyDataset` or a torch `DataLoader`
                of batches.
            y: Int array `(B,)`, the label of each image; used by a network that takes
                labels. A data set has them in its batches, `(images, labels)`.
            sample_weight: Array `(B,)`, the weight of each image in the loss.
            **kwargs: As in `keras.Model.fit`.

        Returns:
            `keras.callbacks.History`.

        Raises:
            ValueError: If the images have another shape than the model's, or NaN; if
                labels are missing or out of range.
        """
        data = _data.to_fit(self, x, y, sample_weight, kwargs)
        x, y, sample_weight, kwargs = data
        return super().fit(x, y, sample_weight=sample_weight, **kwargs)

    def evaluate(self, x=None, y=None, sample_weight=None, batch_size=None, **kwargs):
        """`keras.Model.evaluate`, with the same draws every time."""
        self.attach_state()
        _seed_state.reset(self.test_draws, self.test_seed)
        data = _data.to_evaluate(self, x, y, sample_weight, batch_size)
        x, y, sample_weight, kwargs["batch_size"] = data
        return super().evaluate(x, y, sample_weight=sample_weight, **kwargs)

    def ema_weights(self):
        """Context in which the model has the averaged weights of its optimizer.

        Afterwards the weights are exactly what they were.

        Returns:
            A context manager.

        Raises:
            ValueError: If the optimizer keeps no average, or has made no step.

        Example:

        >>> with model.ema_weights():
        ...     images = PatchSampler(model)(num_images=4)
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
            "network_arguments": recorded(self.network),
        }
        return {**super().get_config(), **own}

    @classmethod
    def from_config(cls, config):
        config = dict(config)
        for key in ("network", "schedule", "patching"):
            config[key] = keras.saving.deserialize_keras_object(config[key])
        record(config["network"], config.pop("network_arguments", None))
        return cls(**config)

    def _per_patch(self, values):
        """One value per image to one value per patch."""
        count = self.patching.patches_per_image
        return values if count == 1 else ops.repeat(values, count, axis=0)
