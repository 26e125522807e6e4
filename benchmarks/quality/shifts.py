"""The seam ratio of a cascade whose grids are shifted in some of the steps only.

    KERAS_BACKEND=torch python -m benchmarks.quality.shifts --n 2

A shifted grid has one more row and one more column of patches, so it costs more. Only
the last stage of `faces128` is sampled, by each way of shifting from the same images of
the stage before, with the same noise. There is a line for each: the seam ratio, and the
patches of the stage over those of a fixed grid.

`both` is along both axes in every step, as the package does, `none` a fixed grid.
`one` is along one axis, drawn at random in each step, `one_then_both6` along one axis
in turns, and along both in the last six steps. `late4` is along both axes in the last
four steps alone, `early4` in the first four.
"""

import functools
import re
from unittest import mock

import numpy as np

import keras_patchdpm as kp
from benchmarks import command_line
from keras_patchdpm.patching.tiles import TileLine, Tiles
from keras_patchdpm.patching.tiling import Tiling

STEPS = 12
WAYS = ["both", "one_then_both6", "late6", "late4", "late2", "one", "early4", "none"]


def main():
    """Samples in each way, writes the lines."""
    parser = command_line.parser(__doc__, n=2, images=40)
    parser.add_argument("--ways", nargs="+", default=WAYS, help="of shifting")
    options = parser.parse_args()
    images = kp.sample(options.n // 2, options.images, seed=5, batch_size=20)
    model = kp.PatchDPM.from_preset("faces128").tiled(options.n)
    for way in options.ways:
        axes = []  # Of each step: along which the grid was shifted.
        tiles = functools.partialmethod(shifted_tiles, way=way, axes=axes)
        with mock.patch.object(Tiling, "tiles", tiles):
            sampler = kp.PatchSampler(model, "dpmpp_2m", STEPS, spacing="trailing")
            result = sampler(options.images, 7, thumbnails=images, batch_size=5)
        n = options.n
        patches = [(n + down) * (n + across) for down, across in axes]
        figures = {
            "way": way,
            "seam_ratio": round(kp.metrics.seam_ratio(result, n), 3),
            "patches_over_fixed": round(np.mean(patches) / n**2, 2),
        }
        command_line.write(options, figures)


def shifted_tiles(tiling, rng, *, way, axes):
    """The tiles of a step. Axes that are not shifted have a tile that nobody sees."""
    chosen = axes_of(way, len(axes) % STEPS, rng)
    axes.append(chosen)
    moved = TILES(tiling, rng).lines
    fixed = TILES(Tiling(tiling.image_size, tiling.grid.divisions), rng).lines
    pairs = zip(chosen, moved, map(with_one_more, fixed), strict=True)
    return Tiles(*(line if shifts else other for shifts, line, other in pairs))


def axes_of(way, step, rng):
    """Whether the grid is shifted down and across in a step, two bools."""
    kind, digits = re.fullmatch(r"([a-z_]+)(\d*)", way).groups()
    down = rng.random() < 0.5 if kind == "one" else step % 2 == 1
    late = step >= STEPS - int(digits or 0)
    return {
        "both": (True, True),
        "none": (False, False),
        "one": (down, not down),
        "one_then_both": (down or late, not down or late),
        "late": (late, late),
        "early": (step < int(digits or 0),) * 2,
    }[kind]


def with_one_more(line):
    """A `TileLine` with one more tile, whose blend weights are 0."""
    starts = np.append(line.starts, line.starts[-1:])
    return TileLine(starts, np.concatenate([line.blend, 0 * line.blend[:1]]))


TILES = Tiling.tiles

if __name__ == "__main__":
    main()
