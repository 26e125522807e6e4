"""Registers the classes of this package with Keras, for saving and loading."""

import keras

PACKAGE = "keras_patchdpm"

serializable = keras.saving.register_keras_serializable(package=PACKAGE)


class Configured:
    """An object with `repr` and `from_config` that follow from its `get_config`."""

    def __repr__(self):
        config = self.get_config().items()
        arguments = ", ".join(f"{name}={value!r}" for name, value in config)
        return f"{type(self).__name__}({arguments})"

    @classmethod
    def from_config(cls, config):
        return cls(**config)
