"""The contract of all schedules, and one noise level."""

import abc
import typing

import keras
from keras import ops

from keras_patchdpm._registration import Configured


class NoiseLevel(typing.NamedTuple):
    """The scales of the image and of the noise in `alpha * clean + sigma * noise`.

    Attributes:
        alpha: Float, scale of the clean image.
        sigma: Float, scale of the noise.
        timestep: The network's input for the level: the int timestep of a
            `DDPMSchedule`, the float `ln(s) / 4` of an `EDMSchedule`. `None` for
            `CLEAN`, at which no network is called.

    Example:

    >>> alpha, sigma, timestep = DDPMSchedule().levels(50)[0]
    >>> timestep
    999
    """

    alpha: float
    sigma: float
    timestep: int | float | None = None


CLEAN = NoiseLevel(1.0, 0.0)


class Schedule(Configured, abc.ABC):
    """Noise levels, what the network predicts at them, and the weight of the loss.

    This is the base class of all schedules. At a noise level the noisy image is `noisy
    = alpha * clean + sigma * noise`. `keras_patchdpm.testing.check_schedule` tests a
    schedule.

    Attributes:
        timestep_dtype: `"int32"` for timesteps, `"float32"` for continuous levels: the
            type of the network's input `timestep`.

    Example, rectified flow:

    >>> import keras, keras_patchdpm as kp
    >>> from keras_patchdpm.schedules import CLEAN, NoiseLevel, Schedule
    >>> class Flow(Schedule):
    ...     timestep_dtype = "float32"
    ...
    ...     def draw(self, count, seed_generator):
    ...         return keras.random.uniform((count,), seed=seed_generator)
    ...
    ...     def alpha_sigma(self, timestep):
    ...         return 1 - timestep, timestep
    ...
    ...     def target(self, clean, noise, *, alpha, sigma):
    ...         return noise - clean
    ...
    ...     def clean(self, prediction, noisy, level):
    ...         return noisy - level.sigma * prediction
    ...
    ...     def levels(self, steps=None, spacing=None):
    ...         steps = 20 if steps is None else steps
    ...         times = [1 - k / steps for k in range(steps)]
    ...         return [NoiseLevel(1 - t, t, t) for t in times] + [CLEAN]
    ...
    ...     def get_config(self):
    ...         return {}
    >>> [level.sigma for level in Flow().levels(4)]
    [1.0, 0.75, 0.5, 0.25, 0.0]
    """

    timestep_dtype = "int32"

    @abc.abstractmethod
    def draw(self, count, seed_generator):
        """Draws the noise levels of a training step; called by `PatchDPM`.

        Args:
            count: Int or int scalar tensor.
            seed_generator: `keras.random.SeedGenerator`.

        Returns:
            Tensor of shape `(count,)` and type `timestep_dtype`, the network's input.
        """

    @abc.abstractmethod
    def alpha_sigma(self, timestep):
        """The scales of the clean image and of the noise; called in training.

        Args:
            timestep: Tensor of any shape, as `draw` returns it.

        Returns:
            `(alpha, sigma)`, two float32 tensors of that shape.
        """

    @abc.abstractmethod
    def target(self, clean, noise, *, alpha, sigma):
        """What the network should predict; called in training.

        Args:
            clean, noise: Float tensors of shape `(B, H, W, C)`.
            alpha, sigma: Float tensors of shape `(B, 1, 1, 1)`.

        Returns:
            Float tensor of shape `(B, H, W, C)`.
        """

    def add_noise(self, clean, noise, timestep):
        """The noisy images and what the network should predict; called in training.

        Args:
            clean, noise: Float tensors or arrays of shape `(B, H, W, C)`.
            timestep: Tensor or array of shape `(B,)`, as `draw` returns it.

        Returns:
            `(noisy, target)`, two tensors of shape `(B, H, W, C)`.
        """
        alpha, sigma = (
            ops.reshape(scale, (-1, 1, 1, 1)) for scale in self.alpha_sigma(timestep)
        )
        clean, noise = ops.convert_to_tensor(clean), ops.convert_to_tensor(noise)
        noisy = alpha * clean + sigma * noise
        return noisy, self.target(clean, noise, alpha=alpha, sigma=sigma)

    @abc.abstractmethod
    def clean(self, prediction, noisy, level):
        """The clean image that a prediction stands for; called in sampling.

        It must be linear in `prediction` and in `noisy`.

        Args:
            prediction, noisy: Arrays or tensors of shape `(B, H, W, C)`.
            level: `NoiseLevel` of both.

        Returns:
            Of the shape of `noisy`.
        """

    @abc.abstractmethod
    def levels(self, steps=None, spacing=None):
        """The noise levels of a sampling; called by `PatchSampler`.

        Args:
            steps: Positive int, a falling sequence of levels, or `None` for a default.
            spacing: String, how fewer steps are spread, or `None` for a default.

        Returns:
            List of `steps + 1` `NoiseLevel`s: `sigma / alpha` falls, to `CLEAN`.

        Raises:
            ValueError: If `steps` or `spacing` is out of range.
        """

    def at_strength(self, strength):
        """The noise level of any strength; called by solvers that add noise first.

        By default there are no levels between those of the steps.

        Args:
            strength: Positive float, `sigma / alpha`.

        Returns:
            `NoiseLevel`.
        """
        raise NotImplementedError(
            f"{type(self).__name__} has no noise levels between its steps. Choose a "
            "solver that adds no noise before a step. "
            f"Received: strength={strength}."
        )

    def weight(self, timestep):
        """The weight of each level in the loss; called in training. Default: 1.

        Args:
            timestep: Tensor of shape `(B,)`, as `draw` returns it.

        Returns:
            Float32 tensor of shape `(B,)`, or `None` for 1.
        """
        return None

    def make_loss(self):
        """The `keras.losses.Loss` of prediction and target. Default: squared error."""
        return keras.losses.MeanSquaredError()

    @abc.abstractmethod
    def get_config(self):
        """The arguments of the constructor, a dict of plain data."""
