"""A training in one compiled loop of JAX, for `train_on_gpu.py`; it needs `optax`.

The images are on the device. Each stage of a cascade has a fixed share of the batch,
and each row computes the loss of one stage only. Examples and loss are the
package's, the loop is plain JAX.
"""

import math
import time

import jax
import jax.numpy as jnp
import keras
import numpy as np
import optax
from keras import ops

from benchmarks import command_line
from keras_patchdpm.patching.cascade_patching import disturb, stage_example
from keras_patchdpm.resize import shrink

EMA = 0.9995
STEPS = 50  # In one call of the compiled loop.


class Training:
    """A training of a model in one compiled loop."""

    def __init__(self, model, options):
        self.model, self.options, self.seed = model, options, model.seed_generator
        self.trained = model.network.trainable_variables
        self.others = [*model.network.non_trainable_variables, self.seed.state]
        self.optimizer = optax.chain(
            optax.clip_by_global_norm(1.0), optax.scale_by_adam(b2=0.99)
        )
        self.batch = self.of_cascade if options.what == "cascade" else self.of_grid

    def run(self, images):
        """Trains until the time is up; the averaged weights are the network's then."""
        weights = [jnp.array(variable.value) for variable in self.trained]
        averages = [jnp.array(weight) for weight in weights]
        others = [jnp.array(variable.value) for variable in self.others]
        state = (weights, others, self.optimizer.init(weights), averages, jnp.int32(0))
        loop = jax.jit(self.loop, donate_argnums=0)
        key = jax.random.key(23)
        loop = loop.lower(state, images, key=key, rate=jnp.float32(0)).compile()
        begin, number = time.time(), 0
        while (passed := (time.time() - begin) / (60 * self.options.minutes)) < 1:
            rate = self.options.learning_rate * (1 + math.cos(math.pi * passed)) / 2
            draw = jax.random.fold_in(key, number)
            state, losses = loop(state, images, key=draw, rate=jnp.float32(rate))
            number += 1
            if number % 20 == 0:
                losses_now = np.round(losses.mean(0), 4).tolist()
                command_line.progress(step=int(state[-1]), losses=losses_now)
            jax.block_until_ready(losses)
        for variable, average in zip(self.trained, state[3], strict=True):
            variable.assign(average)
        return int(state[-1])

    def loop(self, state, images, *, key, rate):
        """`STEPS` steps."""

        def step(state, key):
            weights, others, optimizer, averages, count = state
            grad = jax.value_and_grad(self.loss, has_aux=True)
            chosen = self.drawn(images, key)
            (_, (others, losses)), slopes = grad(weights, others, chosen)
            updates, optimizer = self.optimizer.update(slopes, optimizer, weights)
            now = rate * jnp.minimum(1.0, (count + 1) / self.options.warmup)
            weights = [w - now * u for w, u in zip(weights, updates, strict=True)]
            kept = jnp.minimum(EMA, (1 + count) / (10 + count))
            pairs = zip(averages, weights, strict=True)
            averages = [kept * a + (1 - kept) * w for a, w in pairs]
            return (weights, others, optimizer, averages, count + 1), losses

        return jax.lax.scan(step, state, jax.random.split(key, STEPS))

    def loss(self, weights, others, images):
        """The mean loss, and that of each stage."""
        values = [*zip(self.trained, weights, strict=True)]
        values += zip(self.others, others, strict=True)
        with keras.StatelessScope(state_mapping=values) as scope:
            inputs, target = self.batch(images)
            prediction = self.model.network(inputs, training=True)
            squared = (prediction.astype("float32") - target) ** 2
        changed = [scope.get_current_value(variable) for variable in self.others]
        pairs = zip(changed, others, strict=True)
        others = [old if new is None else new for new, old in pairs]
        rows = squared.mean((1, 2, 3))
        stages = jnp.split(rows, np.cumsum(self.options.shares)[:-1])
        return rows.mean(), (others, jnp.stack([stage.mean() for stage in stages]))

    def drawn(self, images, key):
        """Images for each stage, mirrored half of the time, in [-1, 1]."""
        sources = [images[0], images[0], images[-1]]  # Small ones of either size.
        batch = []
        for number, count in enumerate(self.options.shares):
            which, side = jax.random.split(jax.random.fold_in(key, number))
            index = jax.random.randint(which, (count,), 0, len(sources[number]))
            chosen = sources[number][index]
            mirrored = jax.random.bernoulli(side, 0.5, (count, 1, 1, 1))
            chosen = jnp.where(mirrored, chosen[:, :, ::-1], chosen)
            batch.append(chosen.astype("float32") / 127.5 - 1)
        return batch

    def levels(self):
        """Half uniform, half crowded around a signal to noise ratio of 1."""
        count = (sum(self.options.shares),)
        even = keras.random.uniform(count, seed=self.seed)
        crowded = ops.sigmoid(keras.random.normal(count, seed=self.seed))
        half = keras.random.uniform(count, seed=self.seed) < 0.5
        timesteps = self.model.schedule.num_timesteps
        found = ops.floor(ops.where(half, even, crowded) * timesteps)
        return ops.cast(ops.clip(found, 0, timesteps - 1), "int32")

    def of_cascade(self, images):
        """Inputs and target of a cascade, for each stage its own rows."""
        patching, size = self.model.patching, self.model.image_shape
        tilings, rows = patching.tilings(size[:2]), []
        for number, (tiling, x) in enumerate(zip(tilings, images, strict=True)):
            scale = keras.random.uniform(
                (len(x),), 0, patching.content_noise, seed=self.seed
            )
            previous = [
                disturb(shrink(x, smaller.image_size), scale, self.seed)
                for smaller in tilings[:number]
            ]
            row = stage_example(
                shrink(x, tiling.image_size),
                previous,
                tiling=tiling,
                detail_scale=(None, *patching.detail_scale)[number],
                content_noise=scale if number else 0 * scale,
                seed_generator=self.seed,
            )
            rows.append({**row, "stage": ops.full((len(x),), number, "int32")})
        inputs = {key: ops.concatenate([row[key] for row in rows]) for key in rows[0]}
        clean, level = inputs.pop("clean"), self.levels()
        noise = keras.random.normal(clean.shape, dtype="float32", seed=self.seed)
        noisy, target = self.model.schedule.add_noise(clean, noise, level)
        return {**inputs, "noisy": noisy, "timestep": level}, target

    def of_grid(self, images):
        """Inputs and target of a grid."""
        level = self.levels()

        def add_noise(clean):
            noise = keras.random.normal(clean.shape, dtype="float32", seed=self.seed)
            return self.model.schedule.add_noise(clean, noise, level)

        example = self.model.patching.example
        inputs, target = example(images[0], add_noise, self.seed)
        return {**inputs, "timestep": level}, target
