"""Calls of the network, which become smaller when memory runs out."""

import math
import warnings

import numpy as np

from keras_patchdpm import runtime
from keras_patchdpm.samplers.guidance import guided, worse_inputs


class NetworkCalls:
    """Predicts any number of rows, as many at a time as fit in memory.

    If memory runs out in a call, the call is repeated in halves, and all further calls
    have that size too. The rows of a prediction do not depend on each other.

    Args:
        network: Model with `predict_on_batch`.
        function_of: Function of the network to the function that is called on rows.
            Default `None`: `runtime.network_call`, which predicts; the other one is
            `runtime.gradient_call`.

    Attributes:
        most: Int, the most rows of a call. `None` until memory runs out.
    """

    def __init__(self, network, function_of=None):
        self.predict = (function_of or runtime.network_call)(network)
        self.most = None

    def __call__(self, inputs, size):
        """The network's prediction.

        Args:
            inputs: Dict of arrays of one length.
            size: Int of at least that length. The last row is repeated up to this
                length, so that the network is compiled for one size.

        Returns:
            Array of the length of `inputs`.
        """
        count = len(inputs["noisy"])
        while True:
            calls = math.ceil(size / (self.most or size))
            rows = math.ceil(size / calls)
            try:
                parts = [
                    self._predict(inputs, start, rows)
                    for start in range(0, count, rows)
                ]
            except Exception as error:
                if rows == 1 or not runtime.is_out_of_memory(error):
                    raise
                self.most = math.ceil(rows / 2)
                warnings.warn(
                    f"Memory ran out in a network call with {rows} patches. Sampling "
                    f"continues with {self.most} patches per call; the images stay the "
                    "same. To avoid the failed call, use fewer `patches_per_call`, a "
                    "smaller `batch_size` or a `memory_budget`.",
                    RuntimeWarning,
                    stacklevel=2,
                )
                continue
            return parts[0] if len(parts) == 1 else np.concatenate(parts)

    def _predict(self, inputs, start, rows):
        """One call on `rows` rows, padded with the last row."""
        count = len(inputs["noisy"]) - start
        if start or count != rows:
            chosen = start + np.minimum(np.arange(rows), count - 1)
            inputs = {name: values[chosen] for name, values in inputs.items()}
        return self.predict(inputs)[: min(count, rows)]


class GuidedCalls:
    """Predicts with guidance: two network calls for each prediction.

    Args:
        predict: `NetworkCalls` of the model's network.
        worse: `NetworkCalls` of the network of the worse prediction.
        guidance: `Guidance`.
        num_classes: Int, or `None` for a model without labels.
    """

    def __init__(self, predict, worse, *, guidance, num_classes):
        self.predict, self.worse = predict, worse
        self.scale = np.float32(guidance.scale)
        self.guide_inputs, self.num_classes = guidance.guide_inputs, num_classes

    def __call__(self, inputs, size):
        """The guided prediction; arguments and result as of `NetworkCalls`."""
        good = self.predict(inputs, size)
        others = worse_inputs(inputs, self.guide_inputs, self.num_classes)
        return guided(good, self.worse(others, size), self.scale)
