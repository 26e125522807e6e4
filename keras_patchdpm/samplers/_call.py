"""Validates a call of a sampler, and starts it."""

import math

from keras_patchdpm import _checks
from keras_patchdpm.samplers import arguments, given_images
from keras_patchdpm.samplers.checkpoint import Checkpoint
from keras_patchdpm.samplers.guidance import check_labels
from keras_patchdpm.samplers.identity import describe
from keras_patchdpm.samplers.progress import Progress
from keras_patchdpm.samplers.run import Run
from keras_patchdpm.samplers.sizes import sizes


def start(
    sampler,
    num_images,
    seed,
    *,
    indices,
    batch_size,
    noise,
    dtype,
    callback,
    verbose,
    checkpoint,
    labels,
    given,
):
    """The images of a call of `PatchSampler.stream`, an iterator.

    Args:
        sampler: `PatchSampler`.
        given: Dict of the arguments of `given_images.check`.
        num_images, seed, indices, batch_size, noise, dtype, callback, verbose,
            checkpoint, labels: Of the call.
    """
    num_images, indices = arguments.check_indices(indices, num_images)
    model = sampler.model
    seed = arguments.check_seed(seed)
    dtype = arguments.check_dtype(dtype)
    arguments.check_floats(dtype, model.latents, sampler.decode)
    noise = arguments.check_noise(noise, num_images, sampler.image_shapes)
    if callback is not None:
        _checks.function("callback", callback)
    _checks.one_of("verbose", verbose, (0, 1))
    given, levels = given_images.check(model, num_images, sampler.levels, **given)
    chosen = sizes(
        sampler, num_images, given=given, batch_size=batch_size, verbose=verbose
    )
    sampler.plan = chosen.plan
    run = Run(
        model=model,
        levels=levels,
        solver=sampler.solver,
        num_images=num_images,
        indices=indices,
        seed=seed,
        batch_size=chosen.batch_size,
        noise=noise,
        dtype=dtype,
        labels=check_labels(
            labels,
            num_images,
            guidance=sampler.guidance,
            num_classes=model.num_classes,
        ),
        given=given,
        guidance=sampler.guidance,
        decode=sampler.decode,
        patches_per_call=chosen.patches_per_call,
        images_on=chosen.images_on,
    )
    run.get_ready()
    saved = ()
    if checkpoint is not None:
        size = arguments.check_fits(num_images, model.image_shape, dtype)
        size += 8 * min(chosen.batch_size, num_images) * math.prod(model.image_shape)
        checkpoint = Checkpoint(checkpoint, describe(run), size)
        saved = checkpoint.load()
    progress = Progress(run.steps, callback, verbose)
    return run.images(progress, checkpoint, saved)
