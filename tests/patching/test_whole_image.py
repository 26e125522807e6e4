import keras
import numpy as np
from keras import ops
from patching.sampled import blended, sampled

from keras_patchdpm import WholeImage
from keras_patchdpm.patching import InputSpec


def test_the_network_sees_the_image_and_nothing_else(rng):
    noisy, target = rng.normal(size=(2, 3, 4, 6, 1)).astype("float32")
    patching = WholeImage()
    assert patching.patches_per_image == 1
    assert patching.input_specs((4, 6, 1)) == {"noisy": InputSpec((4, 6, 1), "float32")}
    assert patching.image_shape((4, 6, 1)) == (4, 6, 1)

    inputs, found = patching.example(
        ops.convert_to_tensor(noisy),
        lambda clean: (clean, ops.convert_to_tensor(target)),
        keras.random.SeedGenerator(0),
    )
    assert list(inputs) == ["noisy"]
    np.testing.assert_array_equal(ops.convert_to_numpy(inputs["noisy"]), noisy)
    np.testing.assert_array_equal(ops.convert_to_numpy(found), target)

    inputs_of, tiles = sampled(patching, noisy)
    inputs = inputs_of([0])
    assert list(inputs) == ["noisy"]
    result = np.zeros_like(noisy)
    blended(tiles, inputs["noisy"], [0], result)
    np.testing.assert_array_equal(result, noisy)


def test_serialization():
    config = keras.saving.serialize_keras_object(WholeImage())
    assert config["registered_name"] == "keras_patchdpm>WholeImage"
    clone = keras.saving.deserialize_keras_object(config)
    assert type(clone) is WholeImage
