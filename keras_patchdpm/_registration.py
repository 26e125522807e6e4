"""The name under which Keras saves and finds this package's classes."""

import keras

PACKAGE = "keras_patchdpm"

serializable = keras.saving.register_keras_serializable(package=PACKAGE)
