"""A model of plain Keras that trains in a moment, with all kinds of state."""

import keras
import numpy as np

EPOCHS = 4


class Training:
    """One compiled model, put back to its start before each `fit`."""

    def __init__(self, optimizer=None):
        layers = [
            keras.Input((3,)),
            keras.layers.Dense(4, activation="tanh"),
            keras.layers.Dropout(0.5, seed=1),
            keras.layers.BatchNormalization(),
            keras.layers.Dense(1),
        ]
        self.model = keras.Sequential(layers)
        if optimizer is None:
            optimizer = keras.optimizers.Adam(0.1, use_ema=True, ema_momentum=0.9)
        self.model.compile(optimizer=optimizer, loss="mse")
        self.model.optimizer.build(self.model.trainable_variables)
        self.start = self.state()
        rng = np.random.default_rng(0)
        self.x, self.y = rng.normal(size=(2, 6, 3)), rng.normal(size=(2, 6, 1))
        self.x, self.y = self.x[0].astype("float32"), self.y[0].astype("float32")

    @property
    def variables(self):
        return [*self.model.variables, *self.model.optimizer.variables]

    def state(self):
        """Copies of all values that training changes."""
        numpy = keras.ops.convert_to_numpy
        return [np.array(numpy(variable), "float64") for variable in self.variables]

    def reset(self):
        for variable, value in zip(self.variables, self.start, strict=True):
            dtype = "float32" if "float" in str(variable.dtype) else variable.dtype
            variable.assign(value.astype(dtype))

    def fit(self, *callbacks, epochs=EPOCHS, **arguments):
        """Trains as a new process would; returns the state."""
        self.reset()
        self.model.fit(
            self.x,
            self.y,
            batch_size=2,
            shuffle=False,
            verbose=0,
            epochs=epochs,
            callbacks=list(callbacks),
            **arguments,
        )
        return self.state()
