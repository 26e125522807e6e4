"""One stage of a sampling: denoises an image of one size, some patches at a time."""

import numpy as np

from keras_patchdpm_edge.resampling import resample


class Stage:
    """Denoises one image, whose stage and step the description of the model has.

    Args:
        number: Int, the number of the stage.
        description: Dict, the description of the model.
        calls: Functions that call the networks.
        seed: Int. The offset of a shifted grid depends on it.
        label: Int, or `None` for a model without labels.
        previous: List of the images of the earlier stages.
    """

    def __init__(self, number, description, *, calls, seed, label, previous):
        self.number, self.seed, self.label = number, seed, label
        self.data = description["stages"][number]
        self.inputs = description["networks"][0]["inputs"]
        self.guidance = description["guidance"]
        self.per_call = description["patches_per_call"]
        self.calls, self.previous = calls, previous
        self.enlarged = self.data["enlarged"]
        if self.enlarged:
            sizes = self.enlarged["rows"], self.enlarged["cols"]
            self.local = resample(previous[-1], *sizes)

    def denoise(self, noisy, at):
        """The clean estimate of an image.

        Args:
            noisy: Float32 array of shape `(H, W, C)`.
            at: Dict, the noise level of a step in the description.

        Returns:
            Float32 array of shape `(H, W, C)`.
        """
        clean = np.zeros_like(noisy)
        tiles, shared = self._tiles(at), self._shared(noisy, at)
        for start in range(0, len(tiles), self.per_call):
            group = tiles[start : start + self.per_call]
            inputs = self._inputs(noisy, group, start, shared)
            estimates = self._estimates(inputs, at)
            for estimate, (rows, cols) in zip(estimates, group, strict=False):
                window = clean[self._slices(rows, cols)]
                window += np.outer(rows[1], cols[1])[..., None] * estimate
        return clean

    def finish(self, sampled):
        """Turns what was sampled into an image."""
        if self.data["detail_scale"] is None:
            return sampled
        return sampled * np.float32(self.data["detail_scale"]) + self.local

    def _estimates(self, inputs, at):
        """The clean estimates of some windows."""
        predicted = self.calls[0](inputs)
        if at["guided"][self.number]:
            predicted = self._guided(predicted, inputs)
        of_noisy, of_prediction = np.array(at["clean"], "float32")
        clean = of_noisy * inputs["noisy"] + of_prediction * predicted
        if not np.isfinite(clean).all():
            raise ValueError(
                "The network predicts NaN or infinity. Export the model with "
                f'precision="float32". Received: timestep={at["timestep"]}.'
            )
        low, high = np.float32(-1), np.float32(1)
        if self.data["detail_scale"] is not None:
            scale, local = np.float32(self.data["detail_scale"]), inputs[self._local]
            low, high = (low - local) / scale, (high - local) / scale
        return np.clip(clean, low, high)

    def _guided(self, good, inputs):
        """The prediction, moved away from a worse one."""
        number, label = self.guidance["network"], self.guidance["label"]
        if label is not None:
            inputs = {**inputs, "label": np.full_like(inputs["label"], label)}
        worse = self.calls[number](inputs)
        return worse + np.float32(self.guidance["scale"]) * (good - worse)

    @property
    def _local(self):
        """Name of the input that is cut out of the enlarged previous image."""
        return self.enlarged["input"]

    def _tiles(self, at):
        """List of pairs: the first pixel and the blend weights, for rows and cols."""
        grid = self.data["grids"][at["grids"][self.number]]
        key = np.random.SeedSequence(self.seed, spawn_key=(int(at["key"]),))
        rng = np.random.default_rng(key)
        rows, cols = (
            [self._line(*tile, window) for tile in axis["lines"][_offset(rng, axis)]]
            for axis, window in zip(
                (grid["rows"], grid["cols"]), self.data["window"], strict=True
            )
        )
        return [(row, col) for row in rows for col in cols]

    def _line(self, start, inside, weights, window):
        """`(start, blend)` of a tile along one axis."""
        blend = np.zeros(window, "float32")
        blend[slice(*inside)] = 1 if weights is None else weights
        return start, blend

    def _slices(self, *lines):
        """The pixels of a window in the image."""
        return tuple(slice(start, start + len(blend)) for start, blend in lines)

    def _shared(self, noisy, at):
        """The inputs that are the same for all tiles: a dict."""
        found = {"timestep": at["timestep"]}
        if self.label is not None:
            found["label"] = self.label
        for name, source in self.data["inputs"].items():
            if source["kind"] == "value":
                found[name] = source["value"]
            elif source["kind"] == "previous":
                found[name] = self.previous[source["stage"]]
            elif source["kind"] == "pooled":
                found[name] = resample(noisy, source["rows"], source["cols"])
        return found

    def _inputs(self, noisy, group, start, shared):
        """The inputs of the network for some tiles: a dict of arrays."""
        # The last tile is repeated up to the size of a call.
        numbers = np.minimum(np.arange(self.per_call), len(group) - 1)
        cuts = [self._slices(*group[number]) for number in numbers]
        own = {"noisy": [noisy[cut] for cut in cuts]}
        if self.enlarged:
            own[self._local] = [self.local[cut] for cut in cuts]
        for name, source in self.data["inputs"].items():
            if source["kind"] == "index":
                own[name] = start + numbers
            elif source["kind"] == "pixels":
                own[name] = [_places(source, *cut) for cut in cuts]
        inputs = {}
        for name, spec in self.inputs.items():
            value = np.asarray(own[name] if name in own else shared[name])
            inputs[name] = np.broadcast_to(value, spec["shape"]).astype(spec["dtype"])
        return inputs


def _offset(rng, axis):
    """Draws the offset of a grid along one axis, as a number of `lines`."""
    low, high = axis["offsets"]
    return int(rng.integers(low, high)) - low


def _places(source, rows, cols):
    """The coordinates of the pixels of a window, `(h, w, 2)`: across, then down."""
    down, across = np.array(source["rows"])[rows], np.array(source["cols"])[cols]
    return np.stack(np.broadcast_arrays(across[None, :], down[:, None]), axis=-1)
