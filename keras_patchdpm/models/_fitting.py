"""`compile`, `fit`, `evaluate` and their kin, for a model that trains on images."""

import inspect

import keras
from keras import ops

from keras_patchdpm import _checks
from keras_patchdpm.models import _arguments, _data, _ema, _parts, _seed_state
from keras_patchdpm.models._portable import portable
from keras_patchdpm.models._train_step import TrainStep


class ImageFitting(TrainStep):
    """Keras' training methods for a model that trains on images.

    Each validates its arguments, converts them for Keras and calls Keras' own.
    """

    def compute_loss(
        self, x=None, y=None, y_pred=None, sample_weight=None, training=True
    ):
        """The schedule's loss, or the one given to `compile`, and the layers' own."""
        if self.loss is not None:
            return super().compute_loss(x, y, y_pred, sample_weight, training)
        # A `Loss` object: under `tf.distribute` it divides by the replicas.
        loss = self._level_loss(y, y_pred, sample_weight)
        if self.losses:  # Without a loss of its own, Keras gives the layers'.
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
        """`keras.Model.compile`; without a `loss`, the schedule's is used.

        On PyTorch leave `jit_compile` alone: its compiler takes minutes for one step.

        Args:
            optimizer, loss, loss_weights, metrics, weighted_metrics, run_eagerly,
                steps_per_execution, jit_compile, auto_scale_loss: As in
                `keras.Model.compile`. Losses and metrics compare the network's
                prediction with its target.
        """
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
        # Keras would build loss and metrics from a batch of images: build them from
        # what they will compare, a target and a prediction.
        shape = (1, *_parts.some_shape(self.network.output_shape[1:]))
        example = ops.zeros(shape, dtype="float32")
        for metric in self.metrics:
            if not getattr(metric, "built", True):
                metric.build(example, example)
        if self.loss is not None:
            self.compute_loss(None, example, example)
        _ema.warn_of_accumulation(self.optimizer)

    def get_compile_config(self):
        """How the model was compiled; `"auto"` is left to the backend that loads it."""
        config = super().get_compile_config()
        if not config:
            return config
        return portable({**config, "jit_compile": self._asked_jit_compile})

    def compile_from_config(self, config):
        """Compiles as the saved model was (Keras asks for this beside `compile`)."""
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
        """`keras.Model.fit` on images, each of which is checked first.

        A training that `callbacks.BackupAndRestore` resumes at the end of an
        epoch ends bit-identical with an unbroken one if the batches depend on the epoch
        alone: `datasets.ImageBatches`, a `RandomPatching` on an array, or an array with
        `shuffle=False`. Keras does not keep the order of a shuffled array, nor the
        place within an epoch: those runs resume with other images. On TensorFlow,
        `keras.utils.set_random_seed` makes Keras repeat one order in every epoch of a
        shuffled array; `ImageBatches` has another order in each.

        With `use_ema=True`, Keras leaves the averaged weights in the model at the end.

        Args:
            x: Images, uint8 in [0, 255] or float in [-1, 1]: an array `(B, H, W, C)`,
                a `tf.data.Dataset`, a `keras.utils.PyDataset`, a torch `DataLoader` or
                a generator of batches.
            y: Ints `(B,)` or `(B, 1)`, the label of each image; used by a network with
                `num_classes`. A data set has them in its batches, `(images, labels)`.
            batch_size: Positive int, of an array; `None` for 32.
            epochs: Positive int. Epoch at which the training ends.
            verbose: `"auto"`, 0, 1 or 2, as in Keras.
            callbacks: List of Keras callbacks, or `None`.
            validation_split: Float in [0, 1). Share of an array, its last images, that
                is held out to measure the loss on after each epoch.
            validation_data: Images that are held out, `(images, labels)`, `(images,
                labels, weights)` or a data set; noise and order are the same each time.
            shuffle: Bool, or `None`: arrays are shuffled, data sets keep their order.
                A `RandomPatching` always draws its own order.
            class_weight: Dict of labels to weights in the loss; others have 1.
            sample_weight: Numbers `(B,)` of at least 0, the weight of each image in the
                loss. A data set has them in its batches, `(images, labels, weights)`.
            initial_epoch: Int of at least 0. Epoch at which the training starts.
            steps_per_epoch: Positive int, or `None` for all batches.
            validation_steps, validation_batch_size: As the ones without `validation_`.
            validation_freq: Positive int, every how many epochs the held-out images are
                used, or a list of epochs.

        Returns:
            `keras.callbacks.History`.

        Raises:
            TypeError: If the images are of a type that holds none, or an argument has
                a wrong type.
            ValueError: If the images have another shape than the model's, lie outside
                of their range or have NaN, in whichever batch; if labels are missing or
                out of range; if an argument is out of range.

        Example:

        >>> model.fit(images, batch_size=32, epochs=10, validation_split=0.1)
        """
        given = {key: value for key, value in locals().items() if key in _FIT}
        self.attach_state()
        self._initial_epoch = None  # Keras keeps it from a resumed `fit` before.
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
        """`keras.Model.evaluate`: the loss, with the same noise every time.

        Args:
            x, y, batch_size, verbose, sample_weight, callbacks: As in `fit`.
            steps: Positive int, or `None` for all batches.
            return_dict: Bool. Whether losses and metrics come with their names.
            **kwargs: Keras' own, when `fit` calls this for its validation.

        Returns:
            The loss, a list of loss and metrics, or a dict of them.

        Raises:
            TypeError, ValueError: As `fit`.
        """
        given = {key: value for key, value in locals().items() if key in _EVALUATE}
        self.attach_state()
        _seed_state.reset(self.test_draws, self.test_seed)
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
        """`keras.Model.train_on_batch` on images, which are checked as in `fit`."""
        data = _data.to_step(
            self, x, y, sample_weight=sample_weight, class_weight=class_weight
        )
        return_dict = _checks.boolean("return_dict", return_dict)
        return super().train_on_batch(*data, return_dict=return_dict)

    def test_on_batch(self, x, y=None, sample_weight=None, return_dict=False):
        """`keras.Model.test_on_batch` on images, which are checked as in `fit`."""
        data = _data.to_step(self, x, y, sample_weight=sample_weight)
        return_dict = _checks.boolean("return_dict", return_dict)
        return super().test_on_batch(*data, return_dict=return_dict)

    def predict(self, x, *args, **kwargs):
        """Raises an error that says how images are generated."""
        raise NotImplementedError(_NO_PREDICTION.format("predict"))

    def predict_on_batch(self, x):
        """Raises an error that says how images are generated."""
        raise NotImplementedError(_NO_PREDICTION.format("predict_on_batch"))


def _names(method):
    """The names of a method's arguments, without `self` and `**kwargs`."""
    return set(inspect.signature(method).parameters) - {"self", "kwargs"}


_FIT, _EVALUATE = _names(ImageFitting.fit), _names(ImageFitting.evaluate)

_NO_PREDICTION = (
    "`{}` is not for a PatchDPM: it generates images in many steps. Use "
    '`PatchSampler(model, "ddim", 50)(num_images=4)`. What the network alone predicts '
    "of a dict of its inputs is `model.network.predict(inputs)`."
)
