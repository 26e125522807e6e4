"""The name under which Keras saves and finds this package's classes."""

import keras

PACKAGE = "keras_patchdpm"

serializable = keras.saving.register_keras_serializable(package=PACKAGE)


class Configured:
    """An object that is known by its configuration, as `get_config` returns it."""

    def __repr__(self):
        config = self.get_config().items()
        arguments = ", ".join(f"{name}={value!r}" for name, value in config)
        return f"{type(self).__name__}({arguments})"

    @classmethod
    def from_config(cls, config):
        return cls(**config)
