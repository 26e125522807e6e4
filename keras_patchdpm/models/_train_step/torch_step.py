"""PyTorch: variables change in place, Keras' own step takes the rewritten batch."""

import keras
from keras.random import SeedGenerator

__all__ = ["SeedGenerator", "TrainStep"]


class TrainStep(keras.Model):
    """Rewrites the batch, then lets Keras' own step do the rest."""

    def train_step(self, data):
        return super().train_step(self.prepare_batch(data, self.train_draws))

    def test_step(self, data):
        data = self.prepare_batch(data, self.test_draws, training=False)
        return super().test_step(data)

    def attach_state(self):
        """Does nothing: the variables always have their values."""

    def of_open_sizes(self, batches):
        """`batches`, which may be of several sizes."""
        return batches
