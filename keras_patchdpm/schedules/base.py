"""The contract of all schedules."""

import abc

import keras

from keras_patchdpm._registration import Configured


class Schedule(Configured, abc.ABC):
    """Noise levels, what the network predicts at them, and the weight of the loss.

    This is the base class of all schedules. At a noise level the noisy image is `noisy
    = alpha * clean + sigma * noise`. `keras_patchdpm.testing.check_schedule` tests a
    schedule.

    Attributes:
        level_dtype: `"int32"` for timesteps, `"float32"` for continuous levels: the
            type of the network's input `level`.

    Example, rectified flow:

    >>> import keras, keras_patchdpm as kp
    >>> from keras_patchdpm.schedules import CLEAN, NoiseLevel, Schedule
    >>> class Flow(Schedule):
    ...     level_dtype = "float32"
    ...
    ...     def draw(self, count, seed):
    ...         return keras.random.uniform((count,), seed=seed)
    ...
    ...     def add_noise(self, clean, noise, level):
    ...         t = keras.ops.reshape(level, (-1, 1, 1, 1))
    ...         return (1 - t) * clean + t * noise, noise - clean
    ...
    ...     def clean(self, prediction, noisy, level):
    ...         return noisy - level.sigma * prediction
    ...
    ...     def levels(self, steps=None, spacing=None):
    ...         steps = 20 if steps is None else steps
    ...         return [self.level(1 - k / steps) for k in range(steps)] + [CLEAN]
    ...
    ...     def level(self, t):
    ...         return NoiseLevel(1 - t, t, t)
    ...
    ...     def get_config(self):
    ...         return {}
    >>> [level.sigma for level in Flow().levels(4)]
    [1.0, 0.75, 0.5, 0.25, 0.0]
    """

    level_dtype = "int32"

    @abc.abstractmethod
    def draw(self, count, seed):
        """Draws the noise levels of a training step; called by `PatchDPM`.

        Args:
            count: Int or int scalar tensor.
            seed: `keras.random.SeedGenerator`.

        Returns:
            Tensor of shape `(count,)` and type `level_dtype`, the network's input.
        """

    @abc.abstractmethod
    def add_noise(self, clean, noise, level):
        """The noisy images and what the network should predict; called in training.

        Args:
            clean, noise: Float tensors or arrays of shape `(B, H, W, C)`.
            level: Tensor or array of shape `(B,)`, as `draw` returns it.

        Returns:
            `(noisy, target)`, two tensors of shape `(B, H, W, C)`.
        """

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

    @abc.abstractmethod
    def level(self, value):
        """One `NoiseLevel`, of a timestep or of a continuous level.

        Args:
            value: Int timestep, or a float.
        """

    def weight(self, level):
        """The weight of each level in the loss; called in training. Default: 1.

        Args:
            level: Tensor of shape `(B,)`, as `draw` returns it.

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
