"""How far a training is, and what follows from it: its end and its learning rate."""

import time

import keras

from keras_patchdpm import _checks

SECONDS = 10  # From one line of progress to the next.
LEVELS = 100  # Of the learning rate while it falls.
EARLY = 1 / 8  # Of a training, after which its early state is kept.


class StopAfter(keras.callbacks.Callback):
    """Ends the training after some minutes, at the end of a step.

    Args:
        minutes: Number of at least 0.

    Example:

    >>> model.fit(images, epochs=100, callbacks=[training.StopAfter(minutes=30)])
    """

    def __init__(self, minutes):
        super().__init__()
        self.seconds = 60 * _checks.real("minutes", minutes, minimum=0)

    def on_train_begin(self, logs=None):
        self.start = time.monotonic()

    def on_train_batch_end(self, batch, logs=None):
        if self.over >= 1:
            self.model.stop_training = True

    @property
    def over(self):
        """The share of the minutes that is over; 1 or more at the end."""
        seconds = time.monotonic() - self.start
        return seconds / self.seconds if self.seconds else 1.0


class Progress(keras.callbacks.Callback):
    """Knows how far a training is, and prints it every few seconds.

    Args:
        steps: Int, the steps of all epochs, or `None`: there is no last epoch.
        clock: `StopAfter`, or `None`: there is no time limit.
        prints: Bool. Whether it prints. Default: yes.
    """

    def __init__(self, *, steps, clock, prints=True):
        super().__init__()
        self.steps, self.clock, self.prints = steps, clock, prints

    def on_train_begin(self, logs=None):
        self.step = int(self.model.optimizer.iterations)
        self.printed = time.monotonic(), self.step

    def on_train_batch_end(self, batch, logs=None):
        self.step += 1
        now = time.monotonic()
        before, step = self.printed
        if not self.prints or now - before < SECONDS:
            return
        pace = (self.step - step) / (now - before)
        print(
            f"step {self.step}, loss {float(logs['loss']):.4f}, {pace:.2f} steps a "
            f"second, {min(self.over, 1):.0%} of the training",
            flush=True,
        )
        self.printed = now, self.step

    @property
    def over(self):
        """The share of the training that is over, by its steps or by its clock."""
        by_steps = self.step / self.steps if self.steps else 0.0
        return max(by_steps, self.clock.over if self.clock is not None else 0.0)


class LearningRate(keras.callbacks.Callback):
    """Lets the learning rate rise in the first steps and fall to 0 in the last ones.

    It falls as 1 minus the square root of what is over of the last part, in a hundred
    levels.

    Args:
        progress: `Progress`, which must be after this callback in the list.
        highest: Number, the learning rate between.
        warmup_steps: Int. First steps, in which it rises from 0.
        cooldown: Number in [0, 1]. The share of the training in which it falls.

    Source: Hägele et al. 2024 (arXiv:2405.18392), section 3.
    """

    def __init__(self, progress, highest, *, warmup_steps, cooldown):
        super().__init__()
        self.progress, self.highest = progress, highest
        self.warmup_steps, self.cooldown = warmup_steps, cooldown
        self.current = None

    def on_train_begin(self, logs=None):
        self.current = None

    def on_train_batch_begin(self, batch, logs=None):
        rate = self.rate()
        if rate != self.current:
            self.model.attach_state()
            self.model.optimizer.learning_rate = rate
            self.current = rate

    def rate(self):
        """The learning rate of the next step."""
        rising = min(1.0, (self.progress.step + 1) / max(self.warmup_steps, 1))
        last = max(0.0, self.progress.over - (1 - self.cooldown))
        falling = last / self.cooldown if self.cooldown else 0.0
        level = min(int(LEVELS * falling), LEVELS - 1) / LEVELS
        return self.highest * rising * (1 - level**0.5)


class EarlyState(keras.callbacks.Callback):
    """Keeps the averaged weights of an eighth of the training: a guide for `Guidance`.

    Args:
        progress: `Progress`, which must be before this callback in the list.
        folder: `Path` of the preset. One that exists stays as it is.
        write: Function of the folder, which writes the model's weights.
    """

    def __init__(self, progress, folder, write):
        super().__init__()
        self.progress, self.folder, self.write = progress, folder, write
        self.kept = False

    def on_train_begin(self, logs=None):
        self.kept = self.folder.exists()

    def on_train_batch_end(self, batch, logs=None):
        if not self.kept and self.progress.over >= EARLY:
            with self.model.ema_weights():
                self.write(self.folder)
            self.kept = True
