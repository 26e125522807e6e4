"""The checks for parts of one's own: the package's pass, broken ones do not."""

import keras
import numpy as np
import pytest
from samplers.fakes import numpy_model
from tiny_models import tiny_model

from keras_patchdpm import (
    CascadePatching,
    DDPMSchedule,
    EDMSchedule,
    GridPatching,
    PatchSampler,
    RandomPatching,
    WholeImage,
)
from keras_patchdpm.patching import Patching, Stage, Tiling
from keras_patchdpm.patching.tiles import TileLine
from keras_patchdpm.solvers import (
    DDIM,
    DDPM,
    Coefficients,
    DPMSolver2M,
    DPMSolver2MSDE,
    Heun,
    Solver,
)
from keras_patchdpm.testing import check_patching, check_schedule, check_solver

PATCHINGS = [
    WholeImage(),
    GridPatching(2),
    GridPatching((1, 2), patches_per_image=2),
    GridPatching(2, position=False, content=False, halo=2),
    GridPatching(2, "coordinates", shift=True, halo=1),
    CascadePatching(2, sampling_noise=0.1),
    RandomPatching(16, (0.5, 1.0), content=True),
]
SCHEDULES = [
    DDPMSchedule(),
    DDPMSchedule("linear", prediction="velocity", min_snr_gamma=5),
    DDPMSchedule(prediction="clean", loss="l1"),
    EDMSchedule(),
]
SOLVERS = [
    DDPM(),
    DDPM("large"),
    DDIM(),
    DDIM(eta=0.5),
    DPMSolver2M(),
    DPMSolver2MSDE(),
    Heun(),
    Heun(churn=40),
]


@pytest.mark.parametrize(
    "patching",
    [
        *(pytest.param(one, marks=pytest.mark.once) for one in PATCHINGS[:-2]),
        *PATCHINGS[-2:],
    ],
    ids=str,
)
def test_patchings_pass(patching):
    check_patching(patching)


@pytest.mark.parametrize("schedule", SCHEDULES, ids=str)
def test_schedules_pass(schedule):
    check_schedule(schedule)


@pytest.mark.once
@pytest.mark.parametrize("solver", SOLVERS, ids=str)
def test_solvers_pass(solver):
    check_solver(solver)


# Broken patchings: a sound one, of which one thing is changed.


def grid(**changed):
    """A `GridPatching` of which methods are replaced."""
    patching = GridPatching(2, position=False, content=False)
    for name, method in changed.items():
        object.__setattr__(patching, name, method)
    return patching


def other_pixels(images, add_noise, seed_generator):
    noisy, target = add_noise(images)
    return {"noisy": noisy[:, :8, :8]}, target[:, 8:, 8:]


def twice(images, add_noise, seed_generator):
    noisy, target = add_noise(add_noise(images)[0])
    return {"noisy": noisy[:, :8, :8]}, target[:, :8, :8]


@pytest.mark.once
@pytest.mark.parametrize(
    ("patching", "message"),
    [
        ("grid", "must be a subclass of `Patching`"),
        (grid(get_config=lambda: {"divisions": {1}}), "must return plain data"),
        (grid(example=other_pixels), "cut at other pixels"),
        (grid(example=twice), "`example` calls `add_noise` 2 times"),
        (grid(image_shape=lambda shape: (8, 8, 3)), r"is \(8, 8, 3\), not \(16"),
        (
            grid(stages=lambda shape: GridPatching(2).stages(shape)),
            r"a stage has the inputs \['content', 'noisy', 'patch_index'\]",
        ),
        (
            grid(stages=lambda shape: WholeImage().stages((8, 8, 3))),
            r"images of \(8, 8",
        ),
    ],
)
def test_a_broken_patching_fails(patching, message):
    with pytest.raises(AssertionError, match=message):
        check_patching(patching)


def moved(line):
    """Tiles of which the last lies elsewhere."""
    starts = line.starts.copy()
    starts[-1] += 100
    return TileLine(starts, line.blend)


def heavier(line):
    return TileLine(line.starts, line.blend * np.float32(1.01))


@pytest.mark.once
@pytest.mark.parametrize(
    ("change", "message"),
    [(moved, "is not inside the image"), (heavier, "sum of the blend weights")],
)
def test_a_broken_tiling_fails(change, message, monkeypatch):
    tiles = Tiling.tiles

    def changed(self, rng, **options):
        rows, cols = tiles(self, rng, **options).lines
        return type(tiles(self, rng))(rows, change(cols))

    monkeypatch.setattr(Tiling, "tiles", changed)
    with pytest.raises(AssertionError, match=message):
        check_patching(GridPatching(2))


def schedule(**changed):
    """A `DDPMSchedule` of which methods are replaced."""
    found = DDPMSchedule(prediction="velocity")
    for name, method in changed.items():
        object.__setattr__(found, name, method)
    return found


SOUND = schedule()


@pytest.mark.once
@pytest.mark.parametrize(
    ("broken", "message"),
    [
        (schedule(timestep_dtype="float32"), "`draw` returns int32"),
        (schedule(levels=lambda steps: SOUND.levels(steps)[:-1]), "has 1 levels"),
        (
            schedule(levels=lambda n: [SOUND.level(9)] * n + SOUND.levels(1)[-1:]),
            "fall",
        ),
        (
            schedule(add_noise=lambda c, n, t: SOUND.add_noise(n, c, t)),
            "`add_noise` at alpha=",
        ),
        (schedule(clean=lambda p, x, level: x - p), "`clean` of noisy image"),
        (schedule(weight=lambda t: -1.0 * keras.ops.ones((8,))), "`weight` returns"),
        (schedule(make_loss=lambda: "mse"), "a `keras.losses.Loss`"),
    ],
)
def test_a_broken_schedule_fails(broken, message):
    with pytest.raises(AssertionError, match=message):
        check_schedule(broken)


def broken(change=lambda found: found, **attributes):
    """DDIM of which the coefficients, or attributes of the class, are changed."""

    class Broken(Solver):
        def coefficients(self, now, then, before=None):
            return change(DDIM().coefficients(now, then, before))

    for name, value in attributes.items():
        setattr(Broken, name, value)
    return Broken()


class Forgetful(Solver):
    """It has an option, which its configuration lacks."""

    def __init__(self, share=0.2):
        self.share = share

    def coefficients(self, now, then, before=None):
        return DDIM().coefficients(now, then, before)


class OneBufferMore(Solver):
    """DPM-Solver++(2M), which says that it holds two images."""

    def coefficients(self, now, then, before=None):
        return DPMSolver2M().coefficients(now, then, before)


class Hoarder(Solver):
    """It keeps one more array as large as the images of the check."""

    def coefficients(self, now, then, before=None):
        self.kept = [np.ones(2**20, "float32") for _ in range(2)]
        return DDIM().coefficients(now, then, before)


@pytest.mark.once
@pytest.mark.parametrize(
    ("solver", "message"),
    [
        (
            broken(lambda c: c._replace(clean=c.clean + 0.01)),
            "scale the clean image by",
        ),
        (broken(lambda c: c._replace(clean=np.nan)), "not finite"),
        (broken(lambda c: c._replace(noise=-1.0)), "`noise` is negative"),
        (broken(lambda c: c._replace(noise=0.1)), "the last step adds noise"),
        (broken(order=2), "`order` says 2"),
        (Forgetful, "must be a subclass"),
        (OneBufferMore(), "set `uses_clean_before = True`"),
        (Hoarder(), "`image_buffers` says 2"),
    ],
)
def test_a_broken_solver_fails(solver, message):
    with pytest.raises(AssertionError, match=message):
        check_solver(solver)


@pytest.mark.once
def test_a_solver_with_arguments_needs_a_configuration():
    with pytest.raises(NotImplementedError, match="share, .*Implement `get_config`"):
        check_solver(Forgetful())
    Forgetful.get_config = lambda self: {"other": 1}
    with pytest.raises(AssertionError, match=r"must return the arguments \['share'\]"):
        check_solver(Forgetful())


@pytest.mark.once
def test_tiles_that_are_chosen_for_the_sampling_are_checked():
    crops = RandomPatching(16, (0.5, 1.0), content=True)
    check_patching(crops, (16, 16, 3), divisions=2, overlap=0.5)
    with pytest.raises(ValueError, match="`overlap` cannot be changed"):
        check_patching(GridPatching(2), (16, 16, 3), overlap=0.5)


class Overlapping(Patching):
    """A grid with a one-hot position, whose tiles overlap in sampling."""

    def __getattr__(self, name):
        return getattr(GridPatching(2), name)

    input_specs = GridPatching.input_specs
    image_shape = GridPatching.image_shape
    example = GridPatching.example
    stages = GridPatching.stages
    get_config = GridPatching.get_config

    def tiled(self, image_shape, overlap=None, whole_above=None):
        return [Stage(Tiling(image_shape[:2], 2, overlap=overlap), image_shape[-1])]


@pytest.mark.once
def test_more_tiles_than_positions_are_refused():
    model = tiny_model(Overlapping())
    with pytest.raises(ValueError, match="4 positions.*there are 9 tiles"):
        model.tiled(overlap=0.5)
    with pytest.raises(ValueError, match="`whole_above` needs a patching"):
        model.tiled(whole_above=1.0)


def test_sampling_refuses_a_previous_estimate_that_is_not_held():
    with pytest.raises(ValueError, match="`uses_clean_before = True`"):
        PatchSampler(numpy_model(), OneBufferMore(), 4)(1)


def test_coefficients_are_named():
    assert Coefficients(1.0, 2.0) == (1.0, 2.0, 0.0, 0.0)
