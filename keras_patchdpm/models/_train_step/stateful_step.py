"""TensorFlow and PyTorch: variables change in place, Keras' step takes the batch."""

import keras


class TrainStep(keras.Model):
    """Rewrites the batch, then lets Keras' own step do the rest."""

    def train_step(self, data):
        return super().train_step(self.prepare_batch(data, self.train_draws))

    def test_step(self, data):
        return super().test_step(self.prepare_batch(data, self.test_draws))
