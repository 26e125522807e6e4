"""The numbers of a sampling as plain data: stages, tiles, noise levels, solver."""

import numpy as np

from keras_patchdpm.export._inputs import image_inputs, separable, tile_inputs
from keras_patchdpm.resize import enlarge
from keras_patchdpm.samplers.noise import level_key
from keras_patchdpm.schedules.predictions import clean_coefficients
from keras_patchdpm.solvers import Coefficients


def stages(model):
    """The stages of a `TiledModel`: a list of dicts."""
    return [
        _stage(stage, model.stages[:number])
        for number, stage in enumerate(model.stages)
    ]


def _stage(stage, earlier):
    rows, cols = stage.tiling.grid.divisions
    plain = {
        "n": rows if rows == cols else None,
        "shape": list(stage.image_shape),
        "window": list(stage.tiling.window_size),
        "grids": {
            name: _grid(stage.tiling, shifted)
            for name, shifted in (("fixed", False), ("shifted", True))
        },
        "inputs": {**image_inputs(stage, earlier), **tile_inputs(stage)},
        "enlarged": None,
        "detail_scale": stage.detail_scale,
        "previous_noise": stage.previous_noise,
    }
    if stage.enlarged:

        def resized(images):
            return np.asarray(enlarge(images, stage.image_size))

        down, across = separable(resized, earlier[-1].image_shape)
        plain["enlarged"] = {"input": stage.enlarged, "rows": down, "cols": across}
    return plain


def _grid(tiling, shifted):
    """The tiles of a grid for each of its offsets: a dict of `rows` and `cols`."""
    return {
        name: {
            "offsets": list(axis.offsets),
            "lines": [_line(axis.line(offset)) for offset in range(*axis.offsets)],
        }
        for name, axis in zip(("rows", "cols"), tiling.axes(shifted), strict=True)
    }


def _line(line):
    """Tiles along one axis: first pixel, pixels that are blended, their weights.

    The weights are `None` if all are 1.
    """
    tiles = []
    for start, blend in zip(line.starts.tolist(), line.blend, strict=True):
        inside = np.flatnonzero(blend)
        first, end = (int(inside[0]), int(inside[-1]) + 1) if len(inside) else (0, 0)
        weights = blend[first:end]
        tiles.append(
            [start, [first, end], None if (weights == 1).all() else weights.tolist()]
        )
    return tiles


def program(sampler):
    """The steps of a sampling: a list of dicts.

    Args:
        sampler: `PatchSampler`.
    """
    levels, solver = sampler.levels, sampler.solver
    level_of = sampler.model.schedule.at_strength
    steps = []
    for number, (now, then) in enumerate(zip(levels, levels[1:], strict=False)):
        before = levels[number - 1] if number else None
        added = solver.noise_first(now, level_of, len(levels) - 1)
        if added is not None:
            now, added = added
        step = {
            "add": _scales(added),
            "at": _level(sampler, now),
            "next": _scales(solver.coefficients(now, then, before)),
            "correct": None,
        }
        if solver.corrects and then.sigma:
            scale = solver.correction(now, then)
            step["correct"] = {"at": _level(sampler, then), "scale": float(scale)}
        steps.append(step)
    return steps


def _scales(coefficients):
    """`Coefficients` as a dict of floats; `None` as it is."""
    if coefficients is None:
        return None
    return {name: float(getattr(coefficients, name)) for name in Coefficients._fields}


def _level(sampler, level):
    """A noise level, at which the network is called."""
    stages, guidance = sampler.model.stages, sampler.guidance
    return {
        "timestep": level.timestep,
        "clean": [float(x) for x in clean_coefficients(sampler.model.schedule, level)],
        "key": str(level_key(level)),
        "grids": ["shifted" if one.is_shifted(level) else "fixed" for one in stages],
        "guided": [
            guidance is not None and guidance.used(number, level)
            for number in range(len(stages))
        ],
    }
