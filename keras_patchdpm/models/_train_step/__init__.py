"""The train and test steps of each backend: the only place where the model differs."""

import keras

if keras.backend.backend() == "jax":
    from keras_patchdpm.models._train_step.jax_step import SeedGenerator, TrainStep
elif keras.backend.backend() == "tensorflow":
    from keras_patchdpm.models._train_step.tensorflow_step import (
        SeedGenerator,
        TrainStep,
    )
else:
    from keras_patchdpm.models._train_step.torch_step import SeedGenerator, TrainStep

__all__ = ["SeedGenerator", "TrainStep"]
