"""The steps on PyTorch, where variables change in place.

If `torch.distributed` is initialised, its processes train together: each has its own
images and noise, and the gradients are averaged. `DistributedDataParallel` would do so
for a call of a module, but Keras' step calls the model itself.
"""

import contextlib

import keras

from keras_patchdpm.runtime import _torch_processes, processes

__all__ = ["SeedGenerator", "TrainStep"]

_STRIDE = 1_013_904_223  # Far from the seeds that people choose.


class SeedGenerator(keras.random.SeedGenerator):
    """Seed generator whose seeds differ between processes that train together.

    The seeds of the first process are those of Keras, so that nothing changes for one
    process. The state is the same in all, so that each can resume from one backup.
    """

    def next(self, ordered=True):
        seed = super().next(ordered)
        _, rank = processes()
        if rank == 0:
            return seed
        own = keras.ops.convert_to_tensor([rank * _STRIDE % 2**31, 0], "int32")
        return seed + own


class TrainStep(keras.Model):
    """Turns a batch of images into one of patches, then calls the step of Keras."""

    def fit(self, *args, **kwargs):
        if processes()[0] > 1:
            self._copy_first_process()
        return super().fit(*args, **kwargs)

    def train_step(self, data):
        # Keras does so after the call of the network, whose activations would then be
        # in memory together with the gradients of the step before.
        self.zero_grad()
        data = self.prepare_batch(data, self.seed_generator)
        with _averaged_gradients(self.trainable_variables):
            return super().train_step(data)

    def test_step(self, data):
        data = self.prepare_batch(data, self.test_seed_generator, training=False)
        return super().test_step(data)

    def get_metrics_result(self):
        """The loss and metrics, averaged over all processes; Keras calls it."""
        results = super().get_metrics_result()
        if processes()[0] == 1:
            return results

        def mean(value):
            # A copy, since a metric may return its own variable.
            value = keras.ops.convert_to_tensor(value, "float32").detach().clone()
            _torch_processes.average(value)
            return value

        return keras.tree.map_structure(mean, results)

    def attach_state(self):
        """Does nothing: on PyTorch the variables always have their values."""

    def of_arrays(self, data, **options):
        """Returns the arrays unchanged: Keras reads them well on PyTorch."""
        return data

    def of_open_sizes(self, batches):
        """Returns `batches` unchanged: PyTorch accepts batches of several sizes."""
        return batches

    def _copy_first_process(self):
        """Copies all variables of the first process into this one."""
        optimizer = getattr(self, "optimizer", None)  # None before `compile`.
        if optimizer is not None and not optimizer.built:
            optimizer.build(self.trainable_variables)
        variables = [*self.variables, *getattr(optimizer, "variables", ())]
        _torch_processes.from_first([variable.value.data for variable in variables])


@contextlib.contextmanager
def _averaged_gradients(variables):
    """Context in which gradients are averaged over all processes as they are computed.

    With one process it does nothing.
    """
    if processes()[0] == 1:
        yield
        return

    def average(parameter):
        _torch_processes.average(parameter.grad)

    hooks = [
        variable.value.register_post_accumulate_grad_hook(average)
        for variable in variables
    ]
    try:
        yield
    finally:
        for hook in hooks:
            hook.remove()
