"""Dtype policies of Keras: for new layers, and for weights that are stored narrow."""

import contextlib

import keras

from keras_patchdpm import _checks
from keras_patchdpm._registration import serializable
from keras_patchdpm.networks import int8

STORAGES = ("float16", "int8")


@serializable
class NarrowWeights(keras.DTypePolicy):
    """Weights are stored in fewer bits, and cast when a layer uses them.

    Args:
        storage: String, the type of the weights. Default `"float16"`. With `"int8"`,
            the layers of `networks.int8` hold kernels as int8, and all other weights
            are float16.
        precision: String, the dtype policy whose compute type is used. Default
            `"float32"`.
    """

    def __init__(self, storage="float16", precision="float32"):
        super().__init__(precision)
        self.storage, self.precision = storage, precision

    @property
    def variable_dtype(self):
        """The type in which layers create their variables; called by Keras."""
        return "float16"

    def get_config(self):
        return {"storage": self.storage, "precision": self.precision}


@contextlib.contextmanager
def precision(name, storage=None):
    """Context in which new layers have the given dtype policy.

    Args:
        name: Keras dtype policy, such as `"mixed_float16"`. `None`: the global policy.
        storage: Type in which weights are stored, `"float16"` or `"int8"`. Default
            `None`: as the policy has it.

    Raises:
        ValueError: If Keras knows no such policy, or `storage` is none of these.
    """
    _checks.one_of("storage", storage, (None, *STORAGES))
    before = keras.mixed_precision.dtype_policy()
    if name is not None:
        try:
            keras.mixed_precision.set_global_policy(_checks.string("precision", name))
        except ValueError as error:
            wanted = "be a dtype policy of Keras, such as 'mixed_bfloat16'"
            raise _checks.wrong_value("precision", wanted, name) from error
    if storage is not None:
        policy = keras.mixed_precision.dtype_policy()
        keras.mixed_precision.set_global_policy(NarrowWeights(storage, policy.name))
    try:
        yield
    finally:
        keras.mixed_precision.set_global_policy(before)


def refuse_training(network):
    """Refuses to train weights that are stored narrow; called in `compile`."""
    # Keras does not save these policies, and none for a whole model.
    policies = [layer.dtype_policy for layer in network.layers]
    storages = [one.storage for one in policies if isinstance(one, NarrowWeights)]
    if int8.scales(network):
        storages.append("int8")
    if storages:
        raise ValueError(
            f"Weights that are stored as {storages[-1]} are only for sampling: "
            "small updates would be lost. Load the preset without `storage` to "
            f"train it. Received: a model with storage={storages[-1]!r}."
        )
