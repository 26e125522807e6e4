"""How far a training is, and what follows from it: its end and its learning rate."""

import time

import keras

from keras_patchdpm import _checks

SECONDS = 10  # From one line of progress to the next.
LEVELS = 100  # Of the learning rate while it falls.


class StopAfter(keras.callbacks.Callback):
    """Ends the training after some minutes, at the end of a step.

    Args:
        minutes: Number of at least 0.
    """

    def __init__(self, minutes):
        super().__init__()
        self.seconds = 60 * _checks.real("minutes", minutes, minimum=0)

    def on_train_begin(self, logs=None):
        self.start = time.monotonic()

    def on_train_batch_end(self, batch, logs=None):
        if self.done() >= 1:
            self.model.stop_training = True

    def done(self):
        """The share of the minutes that are over, 1 or more at the end."""
        over = time.monotonic() - self.start
        return over / self.seconds if self.seconds else 1.0


class LearningRate(keras.callbacks.Callback):
    """Lets the learning rate rise in the first steps and fall to 0 in the last ones.

    It falls as 1 minus the square root of what is over of the last part, in a hundred
    levels. The end is that of the epochs or of the clock, whichever comes first.

    Args:
        highest: Number, the learning rate between.
        warmup_steps: Int. First steps, in which it rises from 0.
        cooldown: Number in [0, 1]. The share of the training in which it falls.
        steps: Int, of all epochs, or `None`: no last epoch.
        clock: `StopAfter`, or `None`: no time limit.

    Source: Hägele et al. 2024 (arXiv:2405.18392), section 3.
    """

    def __init__(self, highest, *, warmup_steps, cooldown, steps, clock):
        super().__init__()
        self.highest, self.warmup_steps = highest, warmup_steps
        self.cooldown, self.steps, self.clock = cooldown, steps, clock
        self.current = None

    def on_train_begin(self, logs=None):
        self.current = None
        self.step = int(self.model.optimizer.iterations)

    def on_train_batch_begin(self, batch, logs=None):
        rate = self.rate()
        if rate != self.current:
            self.model.attach_state()
            self.model.optimizer.learning_rate = rate
            self.current = rate

    def on_train_batch_end(self, batch, logs=None):
        self.step += 1

    def rate(self):
        """The learning rate of the next step."""
        rising = min(1.0, (self.step + 1) / max(self.warmup_steps, 1))
        over = self.step / self.steps if self.steps else 0.0
        if self.clock is not None:
            over = max(over, self.clock.done())
        falling = max(0.0, over - (1 - self.cooldown)) / (self.cooldown or 1.0)
        level = min(int(LEVELS * falling), LEVELS - 1) / LEVELS
        return self.highest * rising * (1 - level**0.5)


class Progress(keras.callbacks.Callback):
    """Prints the step, the loss and the pace every few seconds.

    Args:
        clock: `StopAfter`, or `None`: no time limit.
    """

    def __init__(self, clock):
        super().__init__()
        self.clock = clock

    def on_train_begin(self, logs=None):
        self.step = int(self.model.optimizer.iterations)
        self.last = time.monotonic(), self.step

    def on_train_batch_end(self, batch, logs=None):
        self.step += 1
        now = time.monotonic()
        before, step = self.last
        if now - before < SECONDS:
            return
        pace = (self.step - step) / (now - before)
        loss = float(logs["loss"])
        line = f"step {self.step}, loss {loss:.4f}, {pace:.2f} steps a second"
        if self.clock is not None:
            line += f", {min(self.clock.done(), 1):.0%} of the time"
        print(line, flush=True)
        self.last = now, self.step
