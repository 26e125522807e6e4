"""Validates each batch of a `tf.data.Dataset` when it is read, on every backend."""

import keras
import tensorflow as tf

from keras_patchdpm.models import _weights


def checked(dataset, check):
    """The data set, with batches as tuples that `check` has validated.

    Args:
        dataset: `tf.data.Dataset` of images, or of tuples of images, labels and
            weights. A data set that a `tf.distribute.Strategy` has distributed is
            returned unchanged.
        check: `BatchCheck`.

    Returns:
        `tf.data.Dataset`. Its images have the static shape of the model's images.
    """
    if not isinstance(dataset, tf.data.Dataset):
        return dataset

    def see(number, batch):
        images, labels, weights = keras.utils.unpack_x_y_sample_weight(batch)
        if check.num_classes is None:
            labels = None  # Not used, so not validated.
        given = {"images": images, "labels": labels, "weights": weights}
        given = {name: value for name, value in given.items() if value is not None}

        def look(number, *arrays):
            found = dict(zip(given, arrays, strict=True))
            batch = [found.get(name) for name in ("images", "labels", "weights")]
            with check.watching():
                check(batch, int(number))
            return True

        seen = tf.numpy_function(look, [number, *given.values()], tf.bool)
        with tf.control_dependencies([seen]):
            images = tf.ensure_shape(images, (None, *check.image_shape))
            labels, weights = _flat(labels, "int32"), _flat(weights, "float32")
            if check.table is not None:  # Then `look` has refused `weights`.
                weights = tf.gather(_weights.values_of(check.table), labels)
            if weights is not None and labels is None:
                # Without labels Keras would ignore the weights.
                labels = tf.zeros_like(weights, "int32")
        found = (images, labels, weights)
        return tuple(value for value in found if value is not None)

    return dataset.enumerate().map(see)


def _flat(values, dtype):
    """Reshapes `(B, 1)` to `(B,)` and casts."""
    return None if values is None else tf.reshape(tf.cast(values, dtype), (-1,))
