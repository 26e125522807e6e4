"""The steps on PyTorch, where variables change in place."""

import keras
from keras.random import SeedGenerator

__all__ = ["SeedGenerator", "TrainStep"]


class TrainStep(keras.Model):
    """Turns a batch of images into one of patches, then calls the step of Keras."""

    def train_step(self, data):
        # Keras does so after the call of the network, whose activations would then be
        # in memory together with the gradients of the step before.
        self.zero_grad()
        return super().train_step(self.prepare_batch(data, self.seed_generator))

    def test_step(self, data):
        data = self.prepare_batch(data, self.test_seed_generator, training=False)
        return super().test_step(data)

    def attach_state(self):
        """Does nothing: on PyTorch the variables always have their values."""

    def of_arrays(self, data, **options):
        """Returns the arrays unchanged: Keras reads them well on PyTorch."""
        return data

    def of_open_sizes(self, batches):
        """Returns `batches` unchanged: PyTorch accepts batches of several sizes."""
        return batches
