"""The steps on TensorFlow, where each replica of a strategy draws its own noise."""

import keras
import tensorflow as tf

_STRIDE = 1_013_904_223  # Far from the seeds that people choose.


class SeedGenerator(keras.random.SeedGenerator):
    """Seed generator whose seeds differ between the replicas of `tf.distribute`.

    That of Keras gives all replicas the same noise. The seeds of the first replica are
    those of Keras, so that nothing changes without a strategy.
    """

    def next(self, ordered=True):
        seed = super().next(ordered)
        context = tf.distribute.get_replica_context()
        if context is None or context.num_replicas_in_sync == 1:
            return seed
        replica = tf.cast(context.replica_id_in_sync_group, seed.dtype)
        return seed + replica * tf.constant([_STRIDE, 0], seed.dtype)


class TrainStep(keras.Model):
    """Turns a batch of images into one of patches, then calls the step of Keras."""

    def fit(self, *args, **kwargs):
        # Keras would create the optimizer's variables while it traces the first step,
        # and then trace it again: for small models, half of the time of a `fit`.
        optimizer = getattr(self, "optimizer", None)  # None before `compile`.
        if optimizer is not None and not optimizer.built:
            with self.distribute_strategy.scope():
                optimizer.build(self.trainable_variables)
        return super().fit(*args, **kwargs)

    def train_step(self, data):
        return super().train_step(self.prepare_batch(data, self.seed_generator))

    def test_step(self, data):
        data = self.prepare_batch(data, self.test_seed_generator, training=False)
        return super().test_step(data)

    def attach_state(self):
        """Does nothing: on TensorFlow the variables always have their values."""

    def of_open_sizes(self, batches):
        """A `tf.data.Dataset` of `batches`, which may have several sizes.

        From a `PyDataset`, Keras would infer one shape from the first two batches.
        """

        def epoch():
            for step in range(len(batches)):
                yield batches[step]

        data, *rest = batches[0]
        signature = (
            {
                name: tf.TensorSpec(shape, data[name].dtype)
                for name, shape in batches.open_shapes().items()
            },
            *(tf.TensorSpec((None,), values.dtype) for values in rest),
        )
        data = tf.data.Dataset.from_generator(epoch, output_signature=signature)
        data = data.apply(tf.data.experimental.assert_cardinality(len(batches)))
        return _untuned(data)

    def of_arrays(self, data, *, batch_size, shuffle):
        """Turns arrays into a data set, since that of Keras is tuned: see `_untuned`.

        Args:
            data: `(x, y, sample_weight)`, arrays or `None`.
            batch_size: Positive int.
            shuffle: Bool. Whether each epoch is in a new random order.

        Returns:
            `(dataset, None, None)`.
        """
        arrays = [array for array in data if array is not None]
        types = [array.dtype for array in arrays]

        def batch(index):
            rows = tf.numpy_function(
                lambda index: [array[index] for array in arrays], [index], types
            )
            for values, array in zip(rows, arrays, strict=True):
                values.set_shape((None, *array.shape[1:]))
            return tuple(rows)

        index = tf.data.Dataset.range(len(arrays[0]))
        if shuffle:
            index = index.shuffle(len(arrays[0]))
        return _untuned(index.batch(batch_size).map(batch)), None, None


def _untuned(data):
    """The data set, read two batches ahead, without a thread that tunes it.

    That thread may miss the end of an epoch, which then waits for its next round: up to
    the time of the epoch, at most a minute.
    """
    options = tf.data.Options()
    options.autotune.enabled = False
    return data.prefetch(2).with_options(options)
