"""The contract of all solvers."""

import abc
import inspect
import typing

from keras_patchdpm._registration import Configured


class Coefficients(typing.NamedTuple):
    """The coefficients of the sum that is the image at the next noise level.

    Attributes:
        noisy: Float, coefficient of the noisy image.
        clean: Float, coefficient of the clean estimate.
        clean_before: Float, coefficient of the clean estimate of the previous step.
        noise: Float, standard deviation of the fresh noise.

    Example:

    >>> Coefficients(noisy=0.5, clean=0.5)
    Coefficients(noisy=0.5, clean=0.5, clean_before=0.0, noise=0.0)
    """

    noisy: float
    clean: float
    clean_before: float = 0.0
    noise: float = 0.0


class Solver(Configured, abc.ABC):
    """Base class of all solvers.

    A subclass implements `coefficients` and, if it has options, `get_config`.
    `PatchSampler` calls `check_schedule` when it is built, then at each step
    `noise_first`, `coefficients` and, if `corrects`, `correction`.

    Attributes:
        order: Int. The error falls as `1 / steps**order`.
        uses_clean_before: Bool. Whether `coefficients` uses the clean estimate of the
            previous step, which then stays in memory.
        corrects: Bool. Whether a step calls the network again, at the next level.

    Example, Euler's method:

    >>> import keras_patchdpm as kp
    >>> class Euler(kp.solvers.Solver):
    ...     def coefficients(self, now, then, before=None):
    ...         noisy = then.sigma / now.sigma
    ...         return kp.solvers.Coefficients(noisy, then.alpha - noisy * now.alpha)
    >>> Euler().image_buffers
    2
    """

    order = 1
    uses_clean_before = False
    corrects = False

    @property
    def image_buffers(self):
        """Int. Float32 arrays of the size of the images that sampling holds."""
        return 2 + self.uses_clean_before + 2 * self.corrects

    @abc.abstractmethod
    def coefficients(self, now, then, before=None):
        """Computes the coefficients of one step.

        Args:
            now: `NoiseLevel` of the noisy image.
            then: `NoiseLevel` to which the step goes. `sigma` 0: the last step.
            before: `NoiseLevel` of the previous step. `None`: this is the first step.

        Returns:
            `Coefficients`.
        """

    def correction(self, now, then):
        """Computes the coefficient of the correction; called if `corrects`.

        After the step the network is called at `then`. The image becomes `noisy +
        correction * (clean - clean_then)`. The last step has no correction.

        Args:
            now: `NoiseLevel` at which the step started.
            then: `NoiseLevel` at which it ended.

        Returns:
            Float.
        """
        raise NotImplementedError(
            f"{type(self).__name__} has `corrects = True`, so it must implement "
            "`correction`."
        )

    def noise_first(self, now, level_of, num_steps):
        """Adds noise before a step. By default no noise is added.

        Args:
            now: `NoiseLevel` of the noisy image.
            level_of: Function of a strength `sigma / alpha` to its `NoiseLevel`.
            num_steps: Positive int. Steps of the sampling.

        Returns:
            `(level, Coefficients)`: the higher level, and the sum that takes the noisy
            image there. `None` if no noise is added.
        """
        return None

    def check_schedule(self, schedule):
        """Refuses a schedule that the solver cannot use. By default all are accepted.

        Args:
            schedule: `Schedule` of the model.

        Raises:
            ValueError: If the solver cannot use it.
        """

    def get_config(self):
        """The arguments of the constructor, a dict of plain data. Default: none.

        Checkpoints tell solvers apart by it.

        Raises:
            NotImplementedError: If the constructor has arguments.
        """
        arguments = [*inspect.signature(type(self)).parameters]
        if arguments:
            raise NotImplementedError(
                f"{type(self).__name__} has the arguments {', '.join(arguments)}, "
                "which a checkpoint must record. Implement `get_config`."
            )
        return {}
