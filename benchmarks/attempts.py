"""Cures for borders that the package does not have, measured as `coherence.py` does.

    KERAS_BACKEND=torch python benchmarks/attempts.py --attempt neighbours --n 4 \
        --data train.npy --real validation.npy --out runs/neighbours-4

- `neighbours`: two neighbouring patches a step, and a penalty on what their clean
  estimates are wrong by across the border they share.
- `estimate`: the content is pooled from the clean estimate of the step before. In
  training, the pooled clean image with noise of up to 0.5 stands for it, or nothing.
- `overlap`, `overlap_late`: sampling alone, with the weights of `--method moving` (a
  copy of its `preset/` in `--out`): patches overlap by half, weighed by a Gaussian, at
  all steps or in the last third.
"""

import sys

import coherence
import keras
import numpy as np
from keras import ops

import keras_patchdpm as kp
from keras_patchdpm.models import presets
from keras_patchdpm.training import train_model
from keras_patchdpm.windows import Place


class NeighbourPatching(kp.GridPatching):
    """Two patches of each image that share a border."""

    def _draw(self, batch, windows, seed):
        n = self.grid.rows
        a, b = (
            keras.random.randint((batch,), 0, last, dtype="int32", seed=seed)
            for last in (n, n - 1)
        )
        across = keras.random.randint((batch,), 0, 2, dtype="int32", seed=seed)
        first = ops.where(across == 1, a * n + b, b * n + a)
        index = ops.stack([first, first + ops.where(across == 1, 1, n)], axis=-1)
        return index, windows.corners(index, ops.zeros((1, 1, 2), "int32"))


class NeighbourDPM(kp.PatchDPM):
    """Adds the penalty to the loss."""

    def compute_loss(self, x=None, y=None, y_pred=None, *rest, **more):
        loss = super().compute_loss(x, y, y_pred, *rest, **more)
        _, sigma = self.schedule.alpha_sigma(x["level"])
        # Velocity: the clean estimate is wrong by `sigma` times its error.
        error = ops.reshape(sigma, (-1, 1, 1, 1)) * (y_pred - y)
        first, second, index = error[::2], error[1::2], x["patch_index"]
        across = ops.reshape(index[1::2] - index[::2] == 1, (-1, 1, 1))
        gap = ops.where(
            across, first[:, :, -1] - second[:, :, 0], first[:, -1] - second[:, 0]
        )
        return loss + ops.mean(ops.square(gap))


class EstimatePatching(kp.GridPatching):
    """Content from a clean estimate."""

    estimate = None

    def cut(self, clean, noise, corrupt, seed):
        inputs, target = super().cut(clean, noise, corrupt, seed)
        content = self.grid.content(clean)
        batch = (ops.shape(clean)[0], 1, 1, 1)
        scale = keras.random.uniform(batch, 0, 0.5, seed=seed)
        content += scale * keras.random.normal(ops.shape(content), seed=seed)
        shown = ops.cast(keras.random.uniform(batch, seed=seed) > 0.1, "float32")
        return {**inputs, "content": content * shown}, target

    def prepare(self, noisy, draws, made=()):
        shared = super().prepare(noisy, draws, made)
        known = self.estimate is not None
        source = self.estimate if known else np.zeros_like(noisy)
        shared["content"] = ops.convert_to_numpy(self.grid.content(source))
        return shared

    def after_step(self, step, clean, steps):
        self.estimate = None if step % steps == 0 else clean


class OverlapPatching(kp.GridPatching):
    """Patches at every half of their size, blended."""

    late, overlaps = False, True

    @property
    def num_patches(self):
        return (2 * self.grid.rows - 1) ** 2 if self.overlaps else super().num_patches

    def prepare(self, noisy, draws, made=()):
        shared = super().prepare(noisy, draws, made)
        if not self.overlaps:
            return shared
        h, w = self.grid.patch_size(noisy.shape[1:3])
        shared["places"] = []
        for row in range(2 * self.grid.rows - 1):
            for col in range(2 * self.grid.cols - 1):
                window = (
                    slice(row * h // 2, row * h // 2 + h),
                    slice(col * w // 2, col * w // 2 + w),
                )
                part = (slice(0, h), slice(0, w))
                shared["places"].append(Place(window, window, part))
        down, across = (
            np.exp(-(((np.arange(side) + 0.5) / side - 0.5) ** 2) / (2 * 0.25**2))
            for side in (h, w)
        )
        shared["weight"] = np.outer(down, across)[..., None]
        shared["sum"] = np.zeros(noisy.shape, "float64")
        shared["total"] = np.zeros((*noisy.shape[1:3], 1))
        return shared

    def place(self, windows, shared, indices, images):
        if not self.overlaps:
            return super().place(windows, shared, indices, images)
        for index, window in zip(indices, np.split(windows, len(indices)), strict=True):
            patch = shared["places"][index].patch
            shared["sum"][:, *patch] += shared["weight"] * window
            shared["total"][*patch] += shared["weight"]
            images[:, *patch] = shared["sum"][:, *patch] / shared["total"][*patch]

    def after_step(self, step, clean, steps):
        self.overlaps = not self.late or step % steps >= 2 * steps // 3


class AttemptSampler(kp.PatchSampler):
    """Tells the patching of each step."""

    def __call__(self, num_images, batch_size):
        patching, steps = self.model.patching, len(self.levels) - 1
        if isinstance(patching, OverlapPatching):
            patching.after_step(0, None, steps)

        def told(step, clean):
            patching.after_step(step, clean, steps)

        callback = told if hasattr(patching, "after_step") else None
        return super().__call__(num_images, batch_size=batch_size, callback=callback)


def main():
    """Puts an attempt in the place of what it stands for."""
    position = sys.argv.index("--attempt")
    attempt = sys.argv[position + 1]
    sys.argv[position : position + 2] = ["--method", attempt]
    moving = coherence.METHODS["moving"]
    coherence.METHODS.update(
        neighbours={**coherence.GRID, "patches_per_image": 2},
        estimate=coherence.GRID,
        overlap=moving,
        overlap_late=moving,
    )
    patching = {"neighbours": NeighbourPatching, "estimate": EstimatePatching}
    presets._PATCHINGS["GridPatching"] = patching.get(attempt, OverlapPatching)
    OverlapPatching.late = attempt == "overlap_late"
    if attempt == "neighbours":
        train_model.PatchDPM = NeighbourDPM
    kp.PatchSampler = AttemptSampler
    coherence.main()


if __name__ == "__main__":
    main()
