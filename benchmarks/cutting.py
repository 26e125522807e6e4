"""Draws how patches are cut and merged, `docs/figures/cutting.png`.

    KERAS_BACKEND=tensorflow python -m benchmarks.cutting

Every rectangle comes from the library's own `Tiling` and patchings.
"""

import keras
import matplotlib.pyplot as plt
import numpy as np
from matplotlib.patches import Rectangle

import keras_patchdpm as kp
from benchmarks.command_line import ROOT
from keras_patchdpm.patching.tiling import Tiling

SIZE = 64
BLUE, ORANGE = "#3566a8", "#d9822b"


def main():
    """Draws the panels, writes the figure."""
    image = kp.datasets.synthetic_scenes(1, SIZE, seed=5)[0]
    plt.rcParams.update({"axes.titlesize": 9.5})
    figure, axes = plt.subplots(2, 4, figsize=(11.5, 6.0), facecolor="white")
    grid, content, halo, shift, overlap, cascade, fine, crops = axes.flat
    draw_grid(grid, image)
    draw_content(content, image)
    draw_tiles(halo, image, Tiling(SIZE, 4, halo=4), chosen=5)
    halo.set_title("halo: GridPatching(4, halo=4)")
    moved = Tiling(SIZE, 4, shift=True)
    draw_tiles(shift, image, moved, rng=np.random.default_rng(3))
    shift.set_title(f"shifted grid: {moved.num_patches} patches")
    blended = Tiling(SIZE, 4, overlap=0.5)
    draw_weights(overlap, image, blended, chosen=24)
    overlap.set_title(f"overlap=0.5: {blended.num_patches} patches")
    draw_cascade(cascade, fine, image)
    draw_crops(crops, image)
    figure.tight_layout(pad=0.8)
    path = ROOT / "docs" / "figures" / "cutting.png"
    figure.savefig(path, dpi=100)
    print(path)


def show(axis, image, faded=False):
    """Shows an image, faded where rectangles matter more."""
    axis.imshow(image, interpolation="nearest", alpha=0.45 if faded else 1.0)
    axis.set(xticks=[], yticks=[])
    axis.spines[:].set_visible(False)


def frame(axis, top, left, height, width, **options):
    """A rectangle around pixels."""
    options = {"fill": False, "lw": 1, "edgecolor": BLUE, **options}
    axis.add_patch(Rectangle((left - 0.5, top - 0.5), width, height, **options))


def draw_grid(axis, image):
    """The patches of a grid, with their indices."""
    show(axis, image, faded=True)
    side = SIZE // 4
    for index in range(16):
        row, col = divmod(index, 4)
        frame(axis, row * side, col * side, side, side)
        axis.text(
            (col + 0.5) * side, (row + 0.5) * side, index, ha="center", va="center"
        )
    axis.set_title("grid: GridPatching(4)")


def draw_content(axis, image):
    """The noisy image, pooled to the size of a patch."""
    rng = np.random.default_rng(0)
    noisy = 0.5 * (image / 127.5 - 1) + 0.8 * rng.standard_normal(image.shape)
    pooled = kp.PatchGrid(4).content(noisy[None].astype("float32"))[0]
    pooled = keras.ops.convert_to_numpy(pooled)
    both = np.zeros((SIZE, SIZE + 24, 3)) + 1
    both[:, :SIZE] = np.clip((noisy + 1) / 2, 0, 1)
    both[24:40, SIZE + 8 :] = np.clip((pooled + 1) / 2, 0, 1)
    show(axis, both)
    axis.set_title("GCC: the noisy image, pooled")


def draw_tiles(axis, image, tiling, *, rng=None, chosen=None):
    """The windows of a step; one of them in another colour."""
    show(axis, image, faded=True)
    tiles = tiling.tiles(rng or np.random.default_rng(0))
    for index in range(len(tiles)):
        drawn = np.argwhere(tiles.blend(index)[..., 0] > 0)
        top, left = tiles.corners[index] + drawn.min(0)
        height, width = drawn.max(0) - drawn.min(0) + 1
        frame(axis, top, left, height, width)
        if index == chosen:
            frame(
                axis, top, left, height, width, fill=True, facecolor=ORANGE, alpha=0.5
            )
            top, left = tiles.corners[index]
            frame(axis, top, left, *tiles.size, edgecolor=ORANGE, lw=2.5)


def draw_weights(axis, image, tiling, chosen):
    """The blend weights of one window."""
    show(axis, image, faded=True)
    tiles = tiling.tiles(np.random.default_rng(0))
    for index in range(len(tiles)):
        top, left = tiles.corners[index]
        frame(axis, top, left, *tiles.size, lw=0.4)
    rows, cols = tiles.window(chosen)
    weights = np.full((SIZE, SIZE), np.nan)
    weights[rows, cols] = tiles.blend(chosen)[..., 0]
    axis.imshow(weights, cmap="Oranges")
    frame(axis, rows.start, cols.start, *tiles.size, edgecolor=ORANGE, lw=2)


def draw_cascade(first, last, image):
    """The stages of a cascade: thumbnail, and the patches that add detail."""
    small = image.reshape(16, 4, 16, 4, 3).mean((1, 3)).astype("uint8")
    middle = image.reshape(32, 2, 32, 2, 3).mean((1, 3)).astype("uint8")
    both = np.full((SIZE, 64, 3), 255, "uint8")
    both[4:20, 24:40], both[28:60, 16:48] = small, middle
    show(first, both)
    frame(first, 4, 24, 16, 16, edgecolor=ORANGE, lw=2)
    for index in range(4):
        row, col = divmod(index, 2)
        frame(first, 28 + 16 * row, 16 + 16 * col, 16, 16)
    first.set_title("CascadePatching(4): 1, then 4 ...")
    show(last, image)
    for index in range(16):
        row, col = divmod(index, 4)
        frame(last, 16 * row, 16 * col, 16, 16)
    last.set_title("... then 16 patches of one size")


def draw_crops(axis, image):
    """Crops of the sizes of `RandomPatching`."""
    show(axis, image, faded=True)
    rng = np.random.default_rng(1)
    patching = kp.RandomPatching(SIZE)
    for (height, width), color in zip(
        patching.sizes, (ORANGE, BLUE, "black"), strict=True
    ):
        for _ in range(4 if height < SIZE // 2 else 2 if height < SIZE else 1):
            top = rng.integers(0, SIZE - height + 1)
            left = rng.integers(0, SIZE - width + 1)
            frame(axis, top, left, height, width, edgecolor=color, lw=2)
    axis.set_title("RandomPatching: crops of three sizes")


if __name__ == "__main__":
    main()
