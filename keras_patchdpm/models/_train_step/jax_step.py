"""JAX: the step is a pure function, so the seeds' states go in and come out."""

import keras
from keras.random import SeedGenerator

from keras_patchdpm.models import _ema

__all__ = ["SeedGenerator", "TrainStep"]


class TrainStep(keras.Model):
    """Rewrites the batch, then lets Keras' own step do the rest."""

    def train_step(self, state, data):
        trainable, non_trainable, *rest = state
        data, non_trainable = self._draw(data, self.train_draws, non_trainable)
        return super().train_step((trainable, non_trainable, *rest), data)

    def test_step(self, state, data):
        trainable, non_trainable, *rest = state
        data, non_trainable = self._draw(
            data, self.test_draws, non_trainable, training=False
        )
        return super().test_step((trainable, non_trainable, *rest), data)

    def compile(self, *args, **kwargs):
        super().compile(*args, **kwargs)
        _ema.keep_apart(self.optimizer)

    def attach_state(self):
        """Gives the variables their values, which `fit` holds during an epoch."""
        self.jax_state_sync()

    def of_open_sizes(self, batches):
        """`batches`, of several sizes: the step is compiled once for each."""
        return batches

    def _draw(self, data, seed, values, training=True):
        """The rewritten batch, and the variables' values after the draws."""
        variables = self.non_trainable_variables
        mapping = list(zip(variables, values, strict=True))
        with keras.StatelessScope(state_mapping=mapping) as scope:
            data = self.prepare_batch(data, seed, training)
        return data, [scope.get_current_value(variable) for variable in variables]
