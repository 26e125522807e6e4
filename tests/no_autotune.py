"""Tests on TensorFlow read many small data sets, which need no tuning."""

import keras
import pytest


@pytest.fixture(scope="session", autouse=True)
def no_autotune():
    """Keeps `tf.data` from tuning: at the end of a data set it may wait for a minute.

    TensorFlow wakes the tuning thread before it sets the flag that stops it. If the
    thread reads the flag in between, it sleeps until its next round, and the end of the
    data set waits for it.
    """
    if keras.backend.backend() != "tensorflow":
        yield
        return
    import tensorflow as tf

    options = tf.data.Options()
    options.autotune.enabled = False
    with pytest.MonkeyPatch.context() as patch:
        iterate = tf.data.Dataset.__iter__
        patch.setattr(
            tf.data.Dataset,
            "__iter__",
            lambda dataset: iterate(dataset.with_options(options)),
        )
        yield
