"""The progress of a sampling: the bar and the user's callback."""

import keras

from keras_patchdpm import memory


class Progress:
    """Counts steps, for a progress bar and for the user's callback.

    Args:
        steps: Int. Steps of the whole sampling.
        callback: Function `(step, clean)`, or `None`.
        verbose: 1 shows a progress bar.
    """

    def __init__(self, steps, callback, verbose):
        self.callback = callback
        self.done = 0
        self.bar = None
        if verbose:
            self.bar = keras.utils.Progbar(
                steps, unit_name="step", stateful_metrics=["MiB in use"]
            )

    def skip(self, steps):
        """Counts steps that an earlier run has finished."""
        self.done += steps

    def step(self, number, estimate):
        """Reports a finished step; called by `Run` after each step.

        Args:
            number: Int, number of the step in its batch, from 1.
            estimate: Function that computes the clean images for the callback.
        """
        self.done += 1
        if self.bar is not None:
            used = memory.current()
            values = [] if used is None else [("MiB in use", used / 2**20)]
            self.bar.update(self.done, values)
        if self.callback is not None:
            self.callback(number, estimate())
