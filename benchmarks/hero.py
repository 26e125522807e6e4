"""Draws the figure at the top of README and of the site, `docs/figures/hero.png`.

    KERAS_BACKEND=tensorflow python -m benchmarks.hero

Left: how an image is cut, denoised and merged. Middle: memory by N, from the results of
`benchmarks.memory.by_size`. Right: the same seeds at n = 1, 2 and 4.
"""

import argparse
import json

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.patches import FancyArrowPatch, Rectangle

import keras_patchdpm as kp
from benchmarks.command_line import RESULTS, ROOT
from benchmarks.tables import CARD

N = 4
PATCH = 6  # Row-major index of the patch that is shown alone.
WIDE, HIGH = (0, 15), (0.0, 7.8)  # Of the panel on the left.
SIZE = 1024  # Pixels per side of the images whose memory is shown.
BLUE, ORANGE, GRAY = "#3566a8", "#d9822b", "#555555"


def main():
    """Samples the faces, draws the panels, writes the figure."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--faces", type=int, default=3)
    options = parser.parse_args()
    faces = {
        n: kp.sample(n=n, num_images=options.faces, seed=options.seed)
        for n in (1, 2, 4)
    }
    plt.rcParams.update({"font.size": 9, "axes.titlesize": 10})
    figure = plt.figure(figsize=(12.5, 3.9), facecolor="white")
    left, _, middle, _, right = figure.add_gridspec(
        1, 5, width_ratios=(1.7, 0.17, 0.85, 0.25, 0.8), wspace=0
    )
    draw_method(figure.add_subplot(left), faces[4][0], faces[1][0])
    draw_memory(figure.add_subplot(middle))
    draw_faces(figure, right, faces)
    path = ROOT / "docs" / "figures" / "hero.png"
    figure.savefig(path, dpi=110, bbox_inches="tight", pad_inches=0.08)
    print(path)


def draw_method(axis, image, thumbnail):
    """An image cut into patches, one patch through the network, the merged image."""
    axis.set(xlim=WIDE, ylim=HIGH, xticks=[], yticks=[], aspect="equal")
    axis.set_title("The network sees one patch at a time", weight="bold")
    axis.axis("off")
    rng = np.random.default_rng(0)
    noisy = 0.45 * (image / 127.5 - 1) + 0.6 * rng.standard_normal(image.shape)
    noisy = np.clip((noisy + 1) / 2, 0, 1)
    draw_patches(axis, noisy, (0.1, 1.7), gap=0.12)
    patches = kp.PatchGrid(N).split(noisy[None])[0]
    show(axis, np.asarray(patches[PATCH]), (5.5, 5.5), 1.5)
    show(axis, thumbnail, (5.5, 3.0), 1.5)
    draw_position(axis, (5.5, 0.5), 1.5)
    for text, y in (("patch", 7.05), ("whole image", 4.55), ("position", 2.05)):
        axis.text(6.25, y, text, ha="center", va="bottom", color=GRAY, fontsize=8)
    axis.add_patch(Rectangle((8.4, 2.8), 1.8, 1.9, facecolor=BLUE, edgecolor="none"))
    axis.text(
        9.3, 3.75, "U-Net", ha="center", va="center", color="white", weight="bold"
    )
    for y in (6.25, 3.75, 1.25):
        arrow(axis, (7.1, y), (8.35, 3.75 + 0.3 * np.sign(y - 3.75)))
    arrow(axis, (4.6, 4.6), (5.4, 5.9))
    arrow(axis, (10.25, 3.75), (10.75, 3.75))
    show(axis, image, (10.9, 1.75), 4.0)
    axis.text(2.3, 1.3, f"N x N patches, N = {N}", ha="center", va="top", color=GRAY)
    axis.text(12.9, 1.3, "merged", ha="center", va="top", color=GRAY)


def draw_patches(axis, image, corner, gap):
    """The patches of an image with gaps between them; the shown one has a frame."""
    side = 1.0
    for index, patch in enumerate(np.asarray(kp.PatchGrid(N).split(image[None])[0])):
        row, col = divmod(index, N)
        x = corner[0] + col * (side + gap)
        y = corner[1] + (N - 1 - row) * (side + gap)
        show(axis, patch, (x, y), side, frame=ORANGE if index == PATCH else None)


def draw_position(axis, corner, side):
    """The grid of positions, with that of the shown patch filled."""
    cell = side / N
    for index in range(N * N):
        row, col = divmod(index, N)
        place = corner[0] + col * cell, corner[1] + (N - 1 - row) * cell
        color = ORANGE if index == PATCH else "white"
        axis.add_patch(
            Rectangle(place, cell, cell, facecolor=color, edgecolor=GRAY, lw=0.6)
        )


def show(axis, image, corner, side, frame=None):
    """An image in a square of the axis."""
    (x, y), edge = corner, {"edgecolor": frame, "lw": 2.5, "fill": False}
    axis.imshow(image, extent=(x, x + side, y, y + side), interpolation="nearest")
    if frame:
        axis.add_patch(Rectangle(corner, side, side, zorder=3, **edge))
    axis.set(xlim=WIDE, ylim=HIGH)


def arrow(axis, start, end):
    """An arrow between two points of the axis."""
    axis.add_patch(
        FancyArrowPatch(start, end, arrowstyle="-|>", mutation_scale=10, color=GRAY)
    )


def draw_memory(axis):
    """Memory of training and sampling by N, with the line of a card of 8 GB."""
    path = RESULTS / "by_size.jsonl"
    lines = [json.loads(line) for line in path.read_text().splitlines()]
    lines = sorted(
        (line for line in lines if line["image_size"] == SIZE),
        key=lambda line: line["n"],
    )
    places = np.arange(len(lines))
    for shift, kind, color in ((-0.2, "training", BLUE), (0.2, "sampling", ORANGE)):
        values = [line[kind] / 1e9 for line in lines]
        axis.bar(places + shift, values, 0.38, color=color, label=kind)
        for x, value in zip(places + shift, values, strict=True):
            text = f"{value:.1f}" if value > 1 else f"{value:.2f}"
            axis.text(x, value * 1.1, text, ha="center", fontsize=7.5)
    axis.axhline(CARD / 1e9, color="black", lw=1, ls="--")
    axis.text(len(lines) - 0.5, CARD / 1e9 * 1.12, "card of 8 GB", ha="right")
    axis.set(yscale="log", ylim=(0.03, 90), xticks=places, yticks=[0.1, 1, 10])
    axis.set_yticklabels(["0.1 GB", "1 GB", "10 GB"])
    axis.set_xticklabels(
        ["whole" if line["n"] == 1 else f"N = {line['n']}" for line in lines]
    )
    axis.set_title(
        f"Memory, {lines[0]['batch']} images of {SIZE} x {SIZE}", weight="bold"
    )
    axis.legend(loc="upper right", frameon=False, ncols=2, fontsize=8)
    axis.spines[["top", "right"]].set_visible(False)


def draw_faces(figure, place, faces):
    """The same seeds at each n, a row each."""
    rows = place.subgridspec(len(faces), 1, hspace=0.06)
    for number, (row, (n, images)) in enumerate(zip(rows, faces.items(), strict=True)):
        axis = figure.add_subplot(row)
        axis.imshow(np.concatenate(list(images), axis=1), interpolation="nearest")
        axis.set(xticks=[], yticks=[])
        axis.spines[:].set_visible(False)
        side = images.shape[1]
        label = f"n = {n}\n{side} pixels"
        axis.set_ylabel(label, rotation=0, ha="right", va="center", color=GRAY)
        if not number:
            axis.set_title("One set of weights, any n", weight="bold")


if __name__ == "__main__":
    main()
