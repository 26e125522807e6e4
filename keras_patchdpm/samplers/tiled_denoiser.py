"""Samples any denoiser patch by patch: a function, or a network of another library."""

import dataclasses
import importlib
import typing

import keras
import numpy as np
from keras import ops

from keras_patchdpm import _checks, memory, runtime
from keras_patchdpm.memory._call_bytes import call_bytes, with_reserve
from keras_patchdpm.patching.stage import Stage
from keras_patchdpm.patching.tiling import Tiling
from keras_patchdpm.schedules import DDPMSchedule, NoiseLevel, Schedule
from keras_patchdpm.schedules.predictions import clean_coefficients

# What `diffusers` calls each prediction.
PREDICTIONS = {"epsilon": "noise", "v_prediction": "velocity", "sample": "clean"}


class TiledDenoiser:
    """A denoiser that was not trained in patches, for a `PatchSampler`.

    The denoiser can be a function of any library: a JAX function, a PyTorch module, a
    network of `diffusers` (`TiledDenoiser.from_diffusers`). Each of its calls is one
    patch, so its memory is that of a patch. Patches overlap and are blended.

    A denoiser without position and content knows nothing of the image around a patch. A
    network that was trained on whole images draws its subject again in each patch.
    Start from an image (`init_images`, `strength`), or train a model with `PatchDPM`.
    `PatchSampler(memory_budget=)` measures a call of the denoiser, see `memory.peak`.
    The weights of a function are not known and not counted, those of
    `from_diffusers` are. Only a Keras network accepts a `Measurement`.

    Args:
        denoise: Function `(noisy, level)`: `noisy` is a float32 NumPy array of patches
            `(B, h, w, C)`, `level` their `NoiseLevel`, with `alpha`, `sigma` and the
            schedule's `timestep`. It returns the clean patches in [-1, 1], an array or
            a tensor of the same shape.
        image_shape: `(H, W, C)` of the images to generate.
        patch: Positive int or pair `(h, w)`: pixels of a patch. The image must divide
            into such patches.
        overlap: Float in (0, 0.9], or `None`: share of a patch's side that the next
            patch covers too. Default 0.25.
        shift: Bool. Whether the grid is moved in each step, instead of an overlap.
            Default: no.
        schedule: `Schedule` of the denoiser's training. What it predicts does not
            matter. Default `None`: `DDPMSchedule("linear")`, that of Ho et al. 2020.
        latents: Bool. Whether the images are latents, which are not clipped. Default:
            no.

    Attributes:
        network, patching, schedule, image_shape, latents: What `PatchSampler` needs.

    Raises:
        TypeError: If an argument has the wrong type.
        ValueError: If the image does not divide into such patches.

    Example:

    >>> def denoise(noisy, level):
    ...     return my_network(noisy, level.sigma)
    >>> model = kp.TiledDenoiser(denoise, (512, 512, 3), patch=128)
    >>> sampler = kp.PatchSampler(model, "ddim", steps=50)
    >>> images = sampler(4, init_images=photograph[None], strength=0.4)

    Source of the blended patches: Barbero Jimenez 2023 (arXiv:2302.02412), section 3.
    """

    num_classes = None

    def __init__(
        self,
        denoise,
        image_shape,
        *,
        patch,
        overlap=0.25,
        shift=False,
        schedule=None,
        latents=False,
    ):
        _checks.function("denoise", denoise)
        self.image_shape = _checks.shape("image_shape", image_shape)
        patch = _checks.pair("patch", patch)
        if schedule is None:
            schedule = DDPMSchedule("linear", prediction="clean")
        self.schedule = _checks.instance("schedule", schedule, Schedule)
        self.latents = _checks.boolean("latents", latents)
        if _checks.boolean("shift", shift):
            overlap = None
        size = self.image_shape[:2]
        received = f"Received: image_shape={self.image_shape}, patch={patch}"
        if any(side % part for side, part in zip(size, patch, strict=True)):
            raise ValueError(
                f"An image of {size} pixels does not divide into patches of {patch}. "
                f"Choose another `patch`, or pad the image. {received}."
            )
        divisions = tuple(np.floor_divide(size, patch).tolist())
        try:
            tiling = Tiling(size, divisions, shift=shift, overlap=overlap)
        except ValueError as error:
            raise ValueError(f"{error} {received}, overlap={overlap}.") from error
        self.patching = _Patches(tiling, self.image_shape[-1])
        self.network = FunctionNetwork(
            denoise, self.schedule, (*tiling.window_size, self.image_shape[-1])
        )

    def __repr__(self):
        return (
            f"<TiledDenoiser: images of {self.image_shape}, "
            f"{self.patching.tiling!r}, {self.schedule!r}>"
        )

    @classmethod
    def from_diffusers(cls, network, scheduler, image_shape, **options):
        """A network of `diffusers` on PyTorch, such as `UNet2DModel`.

        Keras may have any backend. The network is put into evaluation mode.

        Args:
            network: PyTorch module, called as `network(images, timestep)` on `(B, C, h,
                w)`. Its result, or the attribute `sample` of it, is what the scheduler
                calls `prediction_type`.
            scheduler: Scheduler with the `betas` of the training, such as
                `DDPMScheduler`. Only its numbers are used.
            image_shape: `(H, W, C)`.
            **options: `patch`, `overlap`, `shift` and `latents` of the constructor.

        Raises:
            TypeError: If `network` is no PyTorch module, or `scheduler` has no `betas`.
            ValueError: If the scheduler's prediction is unknown.

        Example:

        >>> pipeline = diffusers.DDPMPipeline.from_pretrained("google/ddpm-church-256")
        >>> model = kp.TiledDenoiser.from_diffusers(
        ...     pipeline.unet, pipeline.scheduler, (512, 512, 3), patch=256
        ... )
        """
        _checks.like(
            "network", network, asked=("parameters", "forward"), example="UNet2DModel()"
        )
        _checks.like(
            "scheduler", scheduler, asked=("betas", "config"), example="DDPMScheduler()"
        )
        kind = scheduler.config.get("prediction_type", "epsilon")
        _checks.one_of("the scheduler's prediction_type", kind, tuple(PREDICTIONS))
        betas = [float(beta) for beta in scheduler.betas]
        schedule = DDPMSchedule(betas, prediction=PREDICTIONS[kind])
        call = runtime.torch_call(network.train(False))

        def denoise(noisy, level):
            prediction = call(noisy.transpose(0, 3, 1, 2), level.timestep)
            prediction = prediction.transpose(0, 2, 3, 1)
            return schedule.clean(prediction, noisy, level)

        model = cls(denoise, image_shape, schedule=schedule, **options)
        model.network = dataclasses.replace(model.network, module=network)
        return model


class _Patches:
    """The patching of a `TiledDenoiser`: patches alone, for sampling.

    Args:
        tiling: `Tiling`.
        channels: Int.
    """

    def __init__(self, tiling, channels):
        self.tiling, self.channels = tiling, channels

    def get_config(self):
        """All that images depend on, plain data."""
        return {**self.tiling.get_config(), "channels": self.channels}

    def input_specs(self, image_shape):
        """No inputs beside the patches: a dict."""
        return {}

    def tiled(self, image_shape, **options):
        """One stage; the tiling is that of the `TiledDenoiser`."""
        if options:
            raise ValueError(
                "The patches of a `TiledDenoiser` are chosen when it is built. "
                f"Received: {options}."
            )
        return [Stage(self.tiling, self.channels)]


@dataclasses.dataclass(frozen=True, eq=False)
class FunctionNetwork:
    """A function of noisy patches as a network, which predicts for a schedule.

    Args:
        function: As `denoise` of `TiledDenoiser`.
        schedule: `Schedule`.
        patch_shape: `(h, w, C)` of a patch, for measurements.
        module: PyTorch module that `function` calls, or `None`.
    """

    function: typing.Callable
    schedule: Schedule
    patch_shape: tuple
    module: typing.Any = None

    def predict_on_batch(self, inputs):
        """The prediction for a dict of inputs; called by `NetworkCalls`."""
        noisy, timestep = inputs["noisy"], inputs["timestep"]
        scales = self.schedule.alpha_sigma(ops.convert_to_tensor(timestep[:1]))
        alpha, sigma = (float(ops.convert_to_numpy(x)[0]) for x in scales)
        level = NoiseLevel(alpha, sigma, timestep[0].item())
        clean = self.function(noisy, level)
        if keras.ops.is_tensor(clean):
            clean = ops.convert_to_numpy(clean)
        clean = np.asarray(clean, "float32")
        if clean.shape != noisy.shape:
            raise ValueError(
                f"`denoise` must return clean patches of the shape {noisy.shape}. "
                f"Received: an array of the shape {clean.shape}."
            )
        of_noisy, of_prediction = clean_coefficients(self.schedule, level)
        return (clean - np.float32(of_noisy) * noisy) / np.float32(of_prediction)


@call_bytes.register
def _(network: FunctionNetwork, patches, *, gradients):
    noisy = np.zeros((patches, *network.patch_shape), "float32")
    level = network.schedule.levels(2)[0]
    if network.module is not None:
        of_module = importlib.import_module("keras_patchdpm.memory._torch")
        return of_module.module_bytes(network.module, network.function, noisy, level)
    report = memory.peak(lambda noisy: network.function(noisy, level), noisy)
    if not report.bytes:
        raise ValueError(
            f"A call of `denoise` needs no memory of {report.backend}, so there is "
            "nothing to plan. Write it with that library, or leave `memory_budget` "
            f"out. Received: denoise={network.function!r}."
        )
    return 0, with_reserve(report.bytes)
