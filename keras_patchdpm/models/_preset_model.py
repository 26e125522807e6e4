"""A model that is loaded from presets and saved as one, with its sampling settings."""

from keras_patchdpm import presets
from keras_patchdpm.models._fitting import ImageFitting
from keras_patchdpm.models._precision import precision as in_precision
from keras_patchdpm.presets import _settings as settings


class PresetModel(ImageFitting):
    """Base class of `PatchDPM`, with its presets and its settings for sampling.

    Attributes:
        sampling: `Settings`: the arguments of `PatchSampler` that `set_sampling` or the
            preset chose.
        provenance: `Provenance`, licence and model cards of the preset that the model
            was loaded from.
    """

    def __init__(self, **kwargs):
        super().__init__(**kwargs)
        self.sampling = settings.Settings()
        self.provenance = presets.Provenance()

    @classmethod
    def from_preset(cls, preset, precision=None, storage=None):
        """Loads a trained model: from the package, from a folder or from the hub.

        Args:
            preset: Name of a built-in preset (`PatchDPM.presets()` lists them), or path
                of a folder that `save_to_preset` or `train` wrote. Or a folder of
                `diffusers` with a `UNet2DModel`, which becomes a `networks.unet2d` for
                whole images. Or `"hf://user/name"`, either of them in a repository of
                the Hugging Face hub (needs the extra `hub`).
            precision: Keras dtype policy, such as `"mixed_float16"`, for a device that
                computes in it. On a CPU it needs more memory, not less. Default
                `None`: the global policy.
            storage: `"float16"`, to hold the weights in half the memory. Each layer
                casts its weights when it uses them, so the model computes as without.
                `"int8"` holds the large kernels of convolutions and dense layers in a
                quarter of the memory, with a scale for each output channel, and other
                weights as float16: images look the same. On TensorFlow choose `"int8"`,
                since float16 weights are all cast at the start of a call. Such a model
                cannot be trained. `model.save` saves kernels of int8 as they are, and
                other weights as float32. Default `None`: as the precision has it, in
                general float32.

        Returns:
            `PatchDPM`, not compiled.

        Raises:
            ImportError: If a library of the extra `hub` is needed and not installed.
            ValueError: If there is no such preset (the message lists all), one of its
                files is damaged (the message names the file), the package cannot
                express the model, or an argument has another value.
            OSError: If the hub refuses, or cannot be reached.

        Example:

        >>> model = PatchDPM.from_preset("faces128")
        >>> model = PatchDPM.from_preset("hf://google/ddpm-celebahq-256")
        """
        preset = presets.find(preset)
        with in_precision(precision, storage):
            model = cls(**presets.load(preset, storage))
            model.sampling = presets.sampling(preset, cls, storage)
            model.provenance = presets.provenance(preset)
        if model.sampling.arguments:
            model.sampler()  # Raises an error if the settings do not fit the model.
        return model

    @staticmethod
    def presets():
        """Lists the trained models in the package.

        Returns:
            List of dicts with `name`, `image_size` (`(height, width)` in pixels), `n`
            (a list: images can be generated in `n` x `n` patches), `licence` of the
            weights, and `bytes`, the size of the weight file.

        Example:

        >>> [preset["name"] for preset in PatchDPM.presets()]
        ['faces128', 'faces64_n2']
        """
        return presets.listing()

    def save_to_preset(self, folder, card=None, *, storage="float16", format="npz"):
        """Writes the model as a preset, which `from_preset` reads.

        A preset is a folder of a few files, to share or to sample from. It contains
        the current weights of the model (after `fit` with `use_ema=True`, the averaged
        weights) and the settings of `set_sampling`, with the weights of the guide. It
        does not contain the optimizer and the seeds: to continue a training, use
        `model.save("model.keras")`.

        Args:
            folder: Path. The folder is created if it does not exist. A preset in it is
                replaced. Or `"hf://user/name"`, a repository of the Hugging Face hub,
                for which you are logged in (needs the extra `hub`). A repository that
                does not exist is created, and is public.
            card: String, the text of `card.md`: what the model generates, its training
                images, their licence. `{sha256}` in it is replaced by the checksum of
                the weights. Default `None`: one line that says how it was written. On
                the hub it is the model card too, with the metadata of the hub in front.
            storage: How weights are stored. Default `"float16"`. `"int8"`, with a scale
                for each output channel, needs half the space; images look the same.
            format: Format of the weights. `"npz"`, the default, is compressed.
                `"safetensors"` can be read by other tools (needs the extra `hub`).

        Raises:
            TypeError: If `folder` is no path, or `card` no string.
            ImportError: If a library of the extra `hub` is needed and not installed.
            ValueError: If the network, schedule or patching is not one of this package,
                a weight is not finite, or `folder` is the name of a built-in preset.
            OSError: If a file cannot be written, or the hub refuses.

        Example:

        >>> model.save_to_preset("runs/mine", card="Trained on my photographs.")
        >>> images = keras_patchdpm.sample(preset="runs/mine")
        """
        presets.save_model(self, folder, card=card, storage=storage, format=format)

    def sampler(self, model=None, **options):
        """Builds a `PatchSampler` with the settings of the preset or `set_sampling`.

        Args:
            model: `TiledModel` that `tiled` returned. Default: the model itself, with
                the patches of its training.
            **options: Arguments of `PatchSampler`. They override the settings.

        Returns:
            `PatchSampler`.

        Raises:
            TypeError, ValueError: As `PatchSampler`.

        Example:

        >>> model = PatchDPM.from_preset("faces128")
        >>> images = model.sampler()(num_images=4)
        >>> images = model.sampler(model.tiled(2), guidance=None)(num_images=4)
        """
        return self.sampling.sampler(self if model is None else model, options)

    def set_sampling(self, **options):
        """Stores settings, which `sampler` uses and `save_to_preset` writes.

        `model.save` does not keep them.

        Args:
            **options: Arguments of `PatchSampler`: `solver`, `steps`, `spacing` and
                `guidance`.

        Raises:
            TypeError: If there is no such argument, or it has the wrong type.
            ValueError: If an argument is out of range.

        Example:

        >>> model.set_sampling(solver="dpmpp_2m", steps=20, spacing="trailing")
        >>> model.save_to_preset("runs/mine")
        """
        settings.check_names(options)
        chosen = settings.Settings(options)
        chosen.sampler(self, {})
        self.sampling = chosen
