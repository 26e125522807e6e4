"""The steps on JAX: pure functions, which accept and return the seeds' states."""

import keras
from keras.random import SeedGenerator

from keras_patchdpm.models import _ema
from keras_patchdpm.runtime import processes

__all__ = ["SeedGenerator", "TrainStep"]

_LOST = (
    "The step failed on the device, and the weights of the model are lost. Load the "
    "last checkpoint, or build the model again."
)


def _check_distribution():
    """Refuses several processes that would train apart, each its own weights."""
    count, _ = processes()
    if count > 1 and keras.distribution.distribution() is None:
        raise ValueError(
            f"{count} processes of JAX train together only with a distribution, set "
            "before the model is built: `keras.distribution.set_distribution("
            "keras.distribution.DataParallel(auto_shard_dataset=False))`. "
            "Received: keras.distribution.distribution()=None."
        )


class TrainStep(keras.Model):
    """Turns a batch of images into one of patches, then calls the step of Keras."""

    def train_step(self, state, data):
        trainable, non_trainable, *rest = state
        data, non_trainable = self._draw(
            data, self.seed_generator, values=non_trainable
        )
        return super().train_step((trainable, non_trainable, *rest), data)

    def test_step(self, state, data):
        trainable, non_trainable, *rest = state
        data, non_trainable = self._draw(
            data, self.test_seed_generator, values=non_trainable, training=False
        )
        return super().test_step((trainable, non_trainable, *rest), data)

    def fit(self, *args, **kwargs):
        _check_distribution()
        try:
            with _ema.finalized_at_the_end(getattr(self, "optimizer", None)):
                return super().fit(*args, **kwargs)
        finally:
            self.attach_state()

    def evaluate(self, *args, **kwargs):
        try:
            return super().evaluate(*args, **kwargs)
        finally:
            self.attach_state()

    def make_train_function(self, force=False):
        if self.train_function is None or force:
            super().make_train_function(force)
            self.train_function = self._returning_state(self.train_function, True)

    def make_test_function(self, force=False):
        if self.test_function is None or force:
            super().make_test_function(force)
            self.test_function = self._returning_state(self.test_function, False)

    def attach_state(self):
        """Puts the values back into the variables; `fit` removes them in an epoch.

        Called before the weights are used outside of `fit`.
        """
        self.jax_state_sync()

    def of_arrays(self, data, **options):
        """Returns the arrays unchanged: Keras reads them well on JAX."""
        return data

    def of_open_sizes(self, batches):
        """Returns `batches` unchanged: JAX compiles the step once for each size."""
        return batches

    def _draw(self, data, seed_generator, *, values, training=True):
        """The batch of patches, and the variables' values after the random draws."""
        variables = self.non_trainable_variables
        mapping = list(zip(variables, values, strict=True))
        with keras.StatelessScope(state_mapping=mapping) as scope:
            data = self.prepare_batch(data, seed_generator, training)
        return data, [scope.get_current_value(variable) for variable in variables]

    def _returning_state(self, step, training):
        """A step that puts the values back into the variables if it fails.

        Keras removes the values from the variables before a step. If the first step of
        an epoch fails, for example since a batch cannot be read, the values would be
        lost, and an error about the variables would hide the first error.
        """

        def guarded(state, iterator):
            try:
                return step(state, iterator)
            except BaseException as error:
                self._put_back(state, training, error)
                raise

        return guarded

    def _put_back(self, state, training, error):
        optimizer = [self.optimizer.variables] if training else []
        groups = (
            self.trainable_variables,
            self.non_trainable_variables,
            *optimizer,
            self.metrics_variables,
        )
        for variables, values in zip(groups, state, strict=True):
            for variable, value in zip(variables, values, strict=True):
                if value.is_deleted():  # The step has reused its memory.
                    error.add_note(_LOST)
                    return
                variable.assign(value)
