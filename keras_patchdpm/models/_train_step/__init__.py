"""The train and test steps of each backend: the model's only backend switch."""

import keras

if keras.backend.backend() == "jax":
    from keras_patchdpm.models._train_step.jax_step import TrainStep
else:
    from keras_patchdpm.models._train_step.stateful_step import TrainStep

__all__ = ["TrainStep"]
