"""Keras' training methods for a model that trains on images."""

import inspect

import keras
from keras import ops

from keras_patchdpm import _checks
from keras_patchdpm.models import _arguments, _data, _ema, _parts, _seed_state
from keras_patchdpm.models._portable import portable
from keras_patchdpm.models._precision import refuse_training
from keras_patchdpm.models._train_step import TrainStep


class ImageFitting(TrainStep):
    """Base class of `PatchDPM` with Keras' training methods, for images as data.

    Each method validates its arguments, converts them and calls the one of Keras.
    """

    def compute_loss(
        self, x=None, y=None, y_pred=None, sample_weight=None, training=True
    ):
        """The loss of the schedule, or of `compile`, plus the losses of the layers.

        Keras calls it in each training and test step.
        """
        if self.loss is not None:
            return super().compute_loss(x, y, y_pred, sample_weight, training)
        # A `Loss` object: under `tf.distribute` it divides by the replicas.
        loss = self._schedule_loss(y, y_pred, sample_weight)
        if self.losses:  # Without a loss in `compile`, Keras returns those of layers.
            loss = loss + super().compute_loss(x, y, y_pred, sample_weight, training)
        return loss

    def compile(
        self,
        optimizer="rmsprop",
        loss=None,
        loss_weights=None,
        metrics=None,
        weighted_metrics=None,
        run_eagerly=False,
        steps_per_execution=1,
        jit_compile="auto",
        auto_scale_loss=True,
    ):
        """`keras.Model.compile`, where the default loss is that of the schedule.

        On PyTorch leave `jit_compile` at its default: with `True` the compilation of
        one step takes minutes.

        Args:
            optimizer, loss, loss_weights, metrics, weighted_metrics, run_eagerly,
                steps_per_execution, jit_compile, auto_scale_loss: As in
                `keras.Model.compile`, with the same defaults. Losses and metrics
                compare the network's prediction with its target.

        Raises:
            ValueError: If the weights are stored narrow (`storage` of `from_preset`).
        """
        refuse_training(self.network)
        _arguments.check_compile(
            run_eagerly=run_eagerly,
            steps_per_execution=steps_per_execution,
            jit_compile=jit_compile,
            auto_scale_loss=auto_scale_loss,
        )
        super().compile(
            optimizer,
            loss,
            loss_weights,
            metrics,
            weighted_metrics,
            run_eagerly,
            steps_per_execution,
            jit_compile,
            auto_scale_loss,
        )
        self._asked_jit_compile = jit_compile
        # Keras would build loss and metrics from a batch of images. They compare a
        # target and a prediction: build them from these.
        shape = (1, *_parts.some_shape(self.network.output_shape[1:]))
        example = ops.zeros(shape, dtype="float32")
        for metric in self.metrics:
            if not getattr(metric, "built", True):
                metric.build(example, example)
        if self.loss is not None:
            self.compute_loss(None, example, example)
        _ema.warn_of_accumulation(self.optimizer)

    def get_compile_config(self):
        """The arguments of `compile`, for every backend; Keras calls it in `save`.

        `jit_compile="auto"` is saved as it is: the backend that loads it decides.
        """
        config = super().get_compile_config()
        if not config:
            return config
        return portable({**config, "jit_compile": self._asked_jit_compile})

    def compile_from_config(self, config):
        """Compiles the model as the saved one; Keras calls it in `load_model`."""
        self.compile(**keras.saving.deserialize_keras_object(config))
        if self.optimizer is not None:
            self.optimizer.build(self.trainable_variables)

    def fit(
        self,
        x=None,
        y=None,
        batch_size=None,
        epochs=1,
        verbose="auto",
        callbacks=None,
        validation_split=0.0,
        validation_data=None,
        shuffle=None,
        class_weight=None,
        sample_weight=None,
        initial_epoch=0,
        steps_per_epoch=None,
        validation_steps=None,
        validation_batch_size=None,
        validation_freq=1,
    ):
        """`keras.Model.fit` on images, all of which are validated.

        If `callbacks.BackupAndRestore` resumes a training at the end of an epoch, the
        result is bit-identical to that of an unbroken training, provided that the
        batches depend on the epoch alone: `datasets.ImageBatches`, `RandomPatching` on
        an array, or an array with `shuffle=False`. Keras saves neither the order of a
        shuffled array nor the position within an epoch: such trainings resume with
        other images.

        With `use_ema=True` the model has the averaged weights when `fit` ends.

        Args:
            x: Images, uint8 in [0, 255] or float in [-1, 1]: an array `(B, H, W, C)`,
                a `tf.data.Dataset`, a `keras.utils.PyDataset`, a torch `DataLoader` or
                a generator of batches.
            y: Ints `(B,)` or `(B, 1)`, the label of each image, for a network with
                `num_classes`. A data set has them in its batches, `(images, labels)`.
                Default `None`: no labels.
            batch_size: Positive int, for an array. Default `None`: 32.
            epochs: Positive int. Epoch at which the training ends. Default 1.
            verbose: `"auto"` (the default), 0, 1 or 2, as in Keras.
            callbacks: List of Keras callbacks. Default `None`: none.
            validation_split: Float in [0, 1), for an array. Share of the images, the
                last ones, that is held out for validation: the loss on them is computed
                after each epoch. Default 0.
            validation_data: Images for validation, `(images, labels)`, `(images,
                labels, weights)` or a data set. Their noise and order are the same each
                time. Default `None`: no validation.
            shuffle: Bool. Default `None`: arrays are shuffled, data sets are not.
                `RandomPatching` always draws its own order.
            class_weight: Dict of labels to weights in the loss. Labels that are not in
                it have 1. Default `None`: all have 1.
            sample_weight: Numbers `(B,)` of at least 0, the weight of each image in the
                loss. A data set has them in its batches, `(images, labels, weights)`.
                Default `None`: all have 1.
            initial_epoch: Int of at least 0. Epoch at which the training starts.
                Default 0.
            steps_per_epoch: Positive int. Default `None`: all batches.
            validation_steps: Positive int. Default `None`: all batches.
            validation_batch_size: Positive int. Default `None`: as `batch_size`.
            validation_freq: Positive int N, for a validation after every N-th epoch; or
                a list of epochs. Default 1.

        Returns:
            `keras.callbacks.History`.

        Raises:
            TypeError: If an argument or the images have a wrong type.
            ValueError: If images have another shape than those of the model, or hold
                values out of range or NaN, in any batch; if labels are missing or
                out of range; if an argument is out of range.

        Example:

        >>> model.fit(images, batch_size=32, epochs=10, validation_split=0.1)
        """
        given = {key: value for key, value in locals().items() if key in _FIT}
        self.attach_state()
        self._initial_epoch = None  # Keras keeps that of an earlier, resumed `fit`.
        arguments, check = _data.to_fit(self, given)
        with check.first_error():
            return super().fit(**arguments)

    def evaluate(
        self,
        x=None,
        y=None,
        batch_size=None,
        verbose="auto",
        sample_weight=None,
        steps=None,
        callbacks=None,
        return_dict=False,
        **kwargs,
    ):
        """`keras.Model.evaluate`: the loss, with the same noise in every call.

        Args:
            x, y, batch_size, verbose, sample_weight, callbacks: As in `fit`.
            steps: Positive int. Default `None`: all batches.
            return_dict: Bool. Whether the loss and the metrics are returned as a dict
                of their names. Default: no.
            **kwargs: Private arguments of Keras, whose `fit` calls this method.

        Returns:
            The loss, a list of loss and metrics, or a dict of them.

        Raises:
            TypeError, ValueError: As `fit`.
        """
        given = {key: value for key, value in locals().items() if key in _EVALUATE}
        self.attach_state()
        _seed_state.reset(self.test_seed_generator, self.test_seed)
        if kwargs.get("_use_cached_eval_dataset"):  # `fit` has checked the data.
            return super().evaluate(**given, **kwargs)
        arguments, check = _data.to_evaluate(self, given)
        with check.first_error():
            return super().evaluate(**arguments, **kwargs)

    def train_on_batch(
        self,
        x,
        y=None,
        sample_weight=None,
        class_weight=None,
        return_dict=False,
    ):
        """`keras.Model.train_on_batch` on images, which are validated as in `fit`."""
        data = _data.to_step(
            self, x, y, sample_weight=sample_weight, class_weight=class_weight
        )
        return_dict = _checks.boolean("return_dict", return_dict)
        return super().train_on_batch(*data, return_dict=return_dict)

    def test_on_batch(self, x, y=None, sample_weight=None, return_dict=False):
        """`keras.Model.test_on_batch` on images, which are validated as in `fit`."""
        data = _data.to_step(self, x, y, sample_weight=sample_weight)
        return_dict = _checks.boolean("return_dict", return_dict)
        return super().test_on_batch(*data, return_dict=return_dict)

    def predict(self, x, *args, **kwargs):
        """Not supported: the error says how images are generated."""
        raise NotImplementedError(_NO_PREDICTION.format("predict"))

    def predict_on_batch(self, x):
        """Not supported: the error says how images are generated."""
        raise NotImplementedError(_NO_PREDICTION.format("predict_on_batch"))


def _names(method):
    """The names of a method's arguments, without `self` and `**kwargs`."""
    return set(inspect.signature(method).parameters) - {"self", "kwargs"}


_FIT, _EVALUATE = _names(ImageFitting.fit), _names(ImageFitting.evaluate)

_NO_PREDICTION = (
    "A PatchDPM has no `{}`: it generates images in many steps. Use "
    '`PatchSampler(model, "ddim", 50)(num_images=4)`. For the prediction of the '
    "network alone, pass a dict of its inputs to `model.network.predict(inputs)`."
)
