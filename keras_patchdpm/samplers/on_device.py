"""Computes the clean estimate of images that stay on the device.

One compiled function evaluates all patches of a step, `patches_per_call` of each image
at a time. So the device does not wait for the host, and a network call needs memory for
its own patches only.
"""

import functools
import json
import math
import warnings

import numpy as np
from keras import ops

from keras_patchdpm import runtime
from keras_patchdpm.samplers.denoiser import groups_of, refuse_wrong
from keras_patchdpm.samplers.guidance import guided, worse_inputs
from keras_patchdpm.samplers.identity import describe
from keras_patchdpm.samplers.inputs import join
from keras_patchdpm.samplers.noise import level_rng
from keras_patchdpm.schedules.predictions import clean_coefficients


class DeviceDenoiser:
    """Evaluates a network on some patches of all images at a time, on the device.

    If memory runs out, `on_host` is used instead.

    Args:
        networks: Tuple: the model's network, and with guidance the network of the worse
            prediction.
        guidance: Function of a `NoiseLevel` to the `Guidance` at that level, or `None`.
        on_host: `PatchDenoiser` of the same step, which holds all further settings.
        num_classes: Int, or `None` for a model without labels.

    Attributes:
        memory_ran_out: Bool. Whether memory ran out, with the images on the device.
    """

    def __init__(self, networks, *, guidance, on_host, num_classes):
        self.networks, self.guidance, self.on_host = networks, guidance, on_host
        self.num_classes = num_classes
        self.stage = stage = on_host.stage
        self.key = json.dumps(describe(stage))
        self.count, self.batch_size = on_host.per_call, on_host.batch_size
        self.calls = math.ceil(stage.num_patches / self.count)
        self.previous = tuple(self._padded(images) for images in on_host.previous)
        maps = stage.maps(self.previous)
        self.maps = {name: enlarged.whole() for name, enlarged in maps.items()}
        self.labels = {}
        if on_host.labels is not None:
            self.labels["label"] = self._padded(on_host.labels)
        self.memory_ran_out = False
        self.unchecked = None

    def __call__(self, noisy, level, out=None):
        """Computes the clean estimate; called by `loop.walk`.

        Args:
            noisy: Float32 tensor of shape `(B, H, W, C)`.
            level: `NoiseLevel` of `noisy`.
            out: Not used, since tensors cannot be written into.

        Returns:
            A new tensor.
        """
        if self.memory_ran_out:
            return self._on_host(noisy, level)
        try:
            clean, wrong = self._step(noisy, level)
        except Exception as error:
            if not runtime.is_out_of_memory(error):
                raise
            self.memory_ran_out = True
            warnings.warn(
                "Memory ran out in a network call with "
                f"{self.count * self.batch_size} patches, with the images on the "
                "device. Sampling continues with the images in the host's memory. To "
                "avoid the failed call, use fewer `patches_per_call`, a smaller "
                '`batch_size`, a `memory_budget` or `images_on="host"`.',
                RuntimeWarning,
                stacklevel=2,
            )
            return self._on_host(noisy, level)
        self.check()  # Checks the step before, while the device computes this one.
        self.unchecked = wrong, level
        return clean[: noisy.shape[0]]

    def check(self):
        """Refuses NaN and infinity in the predictions so far."""
        if self.unchecked is not None:
            wrong, level = self.unchecked
            wrong = int(ops.convert_to_numpy(wrong))
            values = math.prod((self.batch_size, self.calls, self.count))
            values *= math.prod(self.stage.window_shape)
            refuse_wrong("The network's prediction", wrong, values, level=level)
            self.unchecked = None

    def _step(self, noisy, level):
        """The estimate of a full batch, and how many values are not finite."""
        guidance = self.guidance(level)
        schedule = self.on_host.schedule
        guide_inputs = None if guidance is None else guidance.guide_inputs
        key = (
            self.key,
            self.batch_size,
            self.count,
            self.on_host.clip,
            guidance is not None,
            guide_inputs,
        )
        networks = self.networks if guidance is not None else self.networks[:1]
        step = runtime.compiled_with(
            networks,
            key,
            lambda: _Step(
                self.stage,
                clip=self.on_host.clip,
                is_guided=guidance is not None,
                guide_inputs=guide_inputs,
                num_classes=self.num_classes,
            ),
        )
        timestep = np.full(self.batch_size, level.timestep, schedule.timestep_dtype)
        scale = 1.0 if guidance is None else guidance.scale
        numbers = [*clean_coefficients(schedule, level), scale]
        tables, used = self._tables(level)
        return step(
            self._padded(noisy),
            self.previous,
            self.maps,
            {"timestep": ops.convert_to_tensor(timestep), **self.labels},
            tables,
            used,
            ops.convert_to_tensor(np.array(numbers, "float32")),
        )

    def _tables(self, level):
        """The positions of the patches of a step, and how many network calls it has.

        Returns:
            `(tables, used)`: a dict of tensors, whose sizes are the same in all steps;
            and an int, or `None` if all steps have the same number of calls.
        """
        count, tiling = self.count, self.stage.tiling
        tiles = self.stage.tiles(level, level_rng(self.on_host.seed, level))
        groups = groups_of(len(tiles), count)
        index = np.zeros((self.calls, count), "int32")
        for number, group in enumerate(groups):
            index[number] = [*group, *group[-1:] * (count - len(group))]
        slot = np.empty(len(tiles), "int32")  # Row of each tile in the results.
        for number, group in enumerate(groups):
            slot[group] = number * count + np.arange(len(group))
        tile, pixel, blend = tiles.sources(tiling.image_size, tiling.layers)
        tables = {
            "index": index,
            "corners": tiles.corners[index],
            "source": slot[tile] * math.prod(tiles.size) + pixel,
            "blend": blend[..., None],
        }
        tables = {name: ops.convert_to_tensor(table) for name, table in tables.items()}
        varies = self.stage.shift_below is not None
        return tables, np.int32(len(groups)) if varies else None

    def _padded(self, values):
        """Repeats the last row up to the length of a full batch; a tensor."""
        missing = self.batch_size - values.shape[0]
        values = ops.convert_to_tensor(values)
        if not missing:
            return values
        return ops.concatenate([values, *[values[-1:]] * missing])

    def _on_host(self, noisy, level):
        noisy = np.array(ops.convert_to_numpy(noisy))
        return ops.convert_to_tensor(self.on_host(noisy, level))


class _Step:
    """The compiled function of `DeviceDenoiser`: the clean estimate of all patches."""

    def __init__(self, stage, *, clip, is_guided, guide_inputs, num_classes):
        self.stage, self.clip = stage, clip
        self.is_guided, self.guide_inputs = is_guided, guide_inputs
        self.num_classes = num_classes

    def __call__(
        self, calls, loop, noisy, previous, maps, of_images, tables, used, numbers
    ):
        height, width, channels = self.stage.image_shape
        batch, (groups, count) = noisy.shape[0], tables["index"].shape
        conditions = {**self.stage.conditions(noisy, previous), **of_images}
        images = {
            name: ops.reshape(values, (batch, height * width, channels))
            for name, values in {"noisy": noisy, **maps}.items()
        }
        h, w = self.stage.tiling.window_size

        def evaluate(group):
            index, corners = tables["index"][group], tables["corners"][group]
            rows = corners[:, :1] + ops.arange(h, dtype="int32")
            cols = corners[:, 1:] + ops.arange(w, dtype="int32")
            pixels = ops.reshape(rows[:, :, None] * width + cols[:, None], (-1,))
            windows = {
                name: ops.reshape(
                    ops.take(values, pixels, axis=1), (batch, count, h, w, channels)
                )
                for name, values in images.items()
            }
            of_tiles = self.stage.tile_conditions(index, corners)
            inputs = join(ops, windows, of_images=conditions, of_tiles=of_tiles)
            prediction = ops.cast(self._predict(calls, inputs, numbers[2]), "float32")
            finite = ops.cast(ops.isfinite(prediction), "int32")
            clean = numbers[0] * inputs["noisy"] + numbers[1] * prediction
            if self.clip:
                low, high = self.stage.bounds(inputs)
                clean = ops.minimum(ops.maximum(clean, low), high)
            clean = ops.reshape(clean, (batch, count * h * w, channels))
            return clean, ops.sum(1 - finite)

        windows, wrong = loop(evaluate, groups, used)
        windows = ops.transpose(windows, (1, 0, 2, 3))
        windows = ops.reshape(windows, (batch, groups * count * h * w, channels))
        return ops.reshape(self._joined(windows, tables), noisy.shape), wrong

    def _predict(self, calls, inputs, scale):
        """The network's prediction, with guidance if it is used."""
        good = calls[0](inputs)
        if not self.is_guided:
            return good
        others = worse_inputs(inputs, self.guide_inputs, self.num_classes)
        return guided(good, calls[-1](others), ops.cast(scale, good.dtype))

    def _joined(self, windows, tables):
        """Blends the pixels of the windows into those of the images."""
        source, blend = tables["source"], tables["blend"]
        layers = math.prod(self.stage.tiling.layers)
        if layers == 1:
            return ops.take(windows, source[0], axis=1)
        return sum(
            blend[layer] * ops.take(windows, source[layer], axis=1)
            for layer in range(layers)
        )


def update(noisy, coefficients, clean, *, other_clean=None, rng=None):
    """The images of the next level as a new tensor: see `loop.update_in_place`."""
    noise = None
    if rng is not None:
        shape = noisy.shape[1:]
        noise = [each.standard_normal(shape, "float32") for each in rng]
        noise = ops.convert_to_tensor(np.stack(noise))
    if not coefficients.clean_before:
        other_clean = None
    numbers = ops.convert_to_tensor(np.array(coefficients, "float32"))
    return _summed()(noisy, clean, other_clean, noise, numbers)


@functools.cache
def _summed():
    """The compiled function that computes the sum of an update."""

    def summed(noisy, clean, other_clean, noise, numbers):
        total = numbers[0] * noisy + numbers[1] * clean
        if other_clean is not None:
            total += numbers[2] * other_clean
        if noise is not None:
            total += numbers[3] * noise
        return total

    return runtime.compiled(summed)
