"""The sampler that asks a network patch by patch."""

import math

import numpy as np

from keras_patchdpm import _checks, memory, runtime
from keras_patchdpm.memory.images import images_bytes
from keras_patchdpm.patching.tiled_model import as_tiled
from keras_patchdpm.samplers import arguments
from keras_patchdpm.samplers.checkpoint import Checkpoint
from keras_patchdpm.samplers.guidance import check_labels
from keras_patchdpm.samplers.identity import describe
from keras_patchdpm.samplers.noise import starting_noise
from keras_patchdpm.samplers.progress import Progress
from keras_patchdpm.samplers.run import Run
from keras_patchdpm.solvers import as_solver

BATCH_SIZE = 16
ROOM = 2**28  # Bytes for images on a device that does not say what is free.
MOST_IMAGES = 2**53  # A stream has no other end.


class PatchSampler:
    """Makes images, a few patches at a time.

    The network sees `patches_per_call` patches of each image at a time. What comes out
    does not depend on `patches_per_call`, on the order of the patches, nor on the
    batches: image k depends on the seed and on k alone. Where memory runs out in the
    middle of a step, the images are moved to the host's memory, and calls of the
    network that are still too large are repeated in halves. The images stay the same.

    Args:
        model: `PatchDPM`, sampled in the patches of its training, or what its `tiled`
            returns, for other patches or another size of image.
        solver: `"ddpm"` (ancestral, as both published systems), `"ddim"` (Euler's
            method), `"dpmpp_2m"` (good from 15 steps on), `"dpmpp_2m_sde"` (the same
            with fresh noise) or `"heun"` (two network calls a step but the last). Or a
            `Solver` with options, such as `solvers.DDIM(eta=1.0)`, or one of your own.
        steps: Int from 1 to the schedule's timesteps. `None`: all of them (of a
            `DDPMSchedule` 1000 network calls for each patch, which takes long: 20 to 50
            of another solver are enough). Or a falling sequence of timesteps. An
            `EDMSchedule` accepts any number, and 18 for `None`; its sequences hold
            strengths `sigma / alpha`.
        patches_per_call: Int from 1 to the number of patches. More are faster where
            the device has room, and take more memory.
        spacing: How fewer steps are spread over the timesteps: `"karras"` (`None` is
            the same), `"uniform"`, `"leading"` or `"trailing"`. An `EDMSchedule` has
            `"karras"` alone, and a sequence of `steps` has none.
        memory_budget: Int of bytes, or a string such as `"300MB"`, that weights,
            features and images may take. `patches_per_call` and the size of the
            batches are then chosen by `memory.plan`, so leave them out. After a call
            the attribute `plan` is the `MemoryPlan` that it used.
        guidance: `Guidance`, by labels or by a worse model, or `None`. It takes two
            calls of a network for one.
        decode: Of a model of latents: function of float latents `(B, h, w, c)` to
            float images in [-1, 1], called with one image at a time; see
            `LatentSpace`. `None` returns latents.
        images_on: Where the images are while they are sampled. `"device"`: a step is
            one compiled function, which is faster. `"host"`: images are in the host's
            memory, and patches are copied to the device; for images that are large
            compared with the device's memory. Default `None`: the device if the images
            need less than a quarter of its free memory, or less than 256 MiB where the
            backend does not report it (CPUs, TensorFlow). The choice changes no image
            by more than 1e-4.

    Raises:
        TypeError: If `model` is no `PatchDPM`, or an argument has the wrong type.
        ValueError: If an argument is out of range, the solver unknown (the message
            lists all), or the solver cannot use the model's schedule.

    Example:

    >>> sampler = PatchSampler(model, "dpmpp_2m", steps=20)
    >>> images = sampler(num_images=16, seed=0)    # uint8 (16, H, W, C)
    >>> frugal = PatchSampler(model, "ddim", 50, memory_budget="300MB")
    >>> any_n = PatchSampler(model_of_crops.tiled(4, shift=True), "heun", 18)

    Source: Arakawa et al. 2023 (arXiv:2304.07087), sections 3.1 and 3.4. See
    `solvers` for theirs.
    """

    def __init__(
        self,
        model,
        solver="ddpm",
        steps=None,
        *,
        patches_per_call=1,
        spacing=None,
        memory_budget=None,
        guidance=None,
        decode=None,
        images_on=None,
    ):
        self.model = model = as_tiled(model)
        self.solver = as_solver(solver)
        self.solver.check_schedule(model.schedule)
        self.levels = model.schedule.levels(steps, spacing)
        self.num_patches = model.num_patches
        self.patches_per_call = arguments.check_patches_per_call(
            patches_per_call, self.num_patches
        )
        self.decode = arguments.check_decode(decode, model.latents)
        self.memory_budget = arguments.check_budget(
            memory_budget, self.patches_per_call, model
        )
        self.guidance = arguments.check_guidance(guidance, model)
        self.images_on = arguments.check_images_on(images_on, model)
        self.plan = None  # Of a memory budget, once there was a call.

    def __repr__(self):
        height, width, channels = self.model.image_shape
        return (
            f"<PatchSampler: {self.solver!r} in {len(self.levels) - 1} steps, "
            f"{self.patches_per_call} of {self.num_patches} patches in a call, images "
            f"of {height}x{width}x{channels}, {self.model.patching!r}>"
        )

    def __call__(
        self,
        num_images=1,
        seed=0,
        *,
        batch_size=None,
        noise=None,
        dtype="uint8",
        callback=None,
        verbose=0,
        checkpoint=None,
        labels=None,
    ):
        """Makes images.

        Args:
            num_images: Positive int.
            seed: Non-negative int. Image k of one seed is always the same.
            batch_size: Positive int. Images at a time, at most; `None` for 16, or what
                `memory_budget` allows.
            noise: Standard normal array `(num_images, H, W, C)` to start from; of a
                cascade a list of one array for each stage, the thumbnail's first. It
                must be finite. `draw_noise` returns such noise. `None` draws it from
                `seed`. Noise that a solver adds, and the places of a moving grid,
                always come from `seed`.
            dtype: `"uint8"` for [0, 255] or `"float32"` for [-1, 1], the only one of
                latents that are not decoded. NumPy's types are accepted as well.
            callback: Called as `callback(step, clean)` after each step, from 1, with
                the float estimate of the clean images of the batch at hand. The steps
                of a cascade's smaller images count, and come first: enlarge those
                frames (`np.kron`) before they are put together, in a GIF for example.
            verbose: 1 shows a progress bar, with the time left and the memory in use,
                and the plan for a `memory_budget`.
            checkpoint: Path of a file that holds the progress: the finished images and
                the last whole step. It is written after the first step, every half
                minute and when the sampling is stopped by Ctrl-C or an error. The same
                call resumes from it, in another process too; a call that would make
                other images is refused. The file stays when all is done: delete it once
                the images are safe. It needs a folder that exists and is writable.
            labels: Of a model that was trained on labels: an int for all images, or
                one for each; `None` for images of any label.

        Returns:
            Array of shape `(num_images, H, W, C)`.

        Raises:
            TypeError: If an argument has the wrong type.
            ValueError: If an argument is out of range, `noise` has another shape, the
                checkpoint is damaged or that of another sampling, or the network
                predicts NaN or infinity.
            OSError: If the checkpoint cannot be written.
            RuntimeError: In a process that was forked after TensorFlow or JAX was used.
        """
        _checks.integer("num_images", num_images, 1, MOST_IMAGES)
        dtype = arguments.check_dtype(dtype)
        if self.decode is None:
            arguments.check_fits(num_images, self.model.image_shape, dtype)
        images = self.stream(
            num_images,
            seed,
            batch_size=batch_size,
            noise=noise,
            dtype=dtype,
            callback=callback,
            verbose=verbose,
            checkpoint=checkpoint,
            labels=labels,
        )
        first = next(images)
        result = np.empty((num_images, *first.shape), dtype)
        result[0] = first
        for number, image in enumerate(images, 1):
            result[number] = image
        return result

    def stream(
        self,
        num_images=1,
        seed=0,
        *,
        batch_size=None,
        noise=None,
        dtype="uint8",
        callback=None,
        verbose=0,
        checkpoint=None,
        labels=None,
    ):
        """Makes images, and yields each as soon as it is there.

        Args:
            num_images: As for a call.
            seed: As for a call.
            batch_size: As for a call.
            noise: As for a call.
            dtype: As for a call.
            callback: As for a call.
            verbose: As for a call.
            checkpoint: As for a call.
            labels: As for a call.

        Returns:
            Iterator of `num_images` arrays of shape `(H, W, C)`.

        Raises:
            ValueError: As for a call, and before the first image is made.

        Example:

        >>> for k, image in enumerate(sampler.stream(num_images=1000, batch_size=1)):
        ...     keras_patchdpm.save_images(image[None], f"{k:04}.png")
        """
        num_images = _checks.integer("num_images", num_images, 1, MOST_IMAGES)
        seed = arguments.check_seed(seed)
        dtype = arguments.check_dtype(dtype)
        arguments.check_floats(dtype, self.model.latents, self.decode)
        noise = arguments.check_noise(noise, num_images, self._image_shapes)
        if callback is not None:
            _checks.function("callback", callback)
        _checks.one_of("verbose", verbose, (0, 1))
        batch_size, patches_per_call, images_on = self._sizes(
            num_images, batch_size, verbose
        )
        classes = self.model.num_classes
        run = Run(
            model=self.model,
            levels=self.levels,
            solver=self.solver,
            num_images=num_images,
            seed=seed,
            batch_size=batch_size,
            noise=noise,
            dtype=dtype,
            labels=check_labels(labels, num_images, self.guidance, classes),
            guidance=self.guidance,
            decode=self.decode,
            patches_per_call=patches_per_call,
            images_on=images_on,
        )
        run.get_ready()
        saved = ()
        if checkpoint is not None:
            size = arguments.check_fits(num_images, self.model.image_shape, dtype)
            size += 8 * min(batch_size, num_images) * math.prod(self.model.image_shape)
            checkpoint = Checkpoint(checkpoint, describe(run), size)
            saved = checkpoint.load()
        progress = Progress(run.steps, callback, verbose)
        return run.images(progress, checkpoint, saved)

    def draw_noise(self, num_images=1, seed=0):
        """Draws the noise that a sampling starts from, to be changed and passed back.

        `sampler(n, noise=sampler.draw_noise(n, seed))` makes the images of
        `sampler(n, seed)` if neither the solver nor a moving grid draws anything
        else from the seed; with the same `seed` it always does.

        Args:
            num_images: Positive int.
            seed: Non-negative int.

        Returns:
            Float32 array `(num_images, H, W, C)`, standard normal; of a cascade a list
            of one array for each stage, the thumbnail's first.

        Raises:
            TypeError: If an argument is not an int.
            ValueError: If an argument is out of range.

        Example:

        >>> one, other = sampler.draw_noise(1, seed=1), sampler.draw_noise(1, seed=2)
        >>> between = np.sqrt(0.5) * one + np.sqrt(0.5) * other    # standard normal
        >>> image = sampler(1, noise=between)
        """
        num_images = _checks.integer("num_images", num_images, 1, MOST_IMAGES)
        seed = arguments.check_seed(seed)
        arguments.check_fits(num_images, self.model.image_shape, "float32")
        noise = [
            starting_noise(seed, range(num_images), shape, stage)
            for stage, shape in enumerate(self._image_shapes)
        ]
        return noise if len(noise) > 1 else noise[0]

    @property
    def _image_shapes(self):
        """`(height, width, channels)` of the images of each stage."""
        return [stage.image_shape for stage in self.model.stages]

    def _sizes(self, num_images, batch_size, verbose):
        """Images, and patches of each, at a time, and where the images are."""
        held = self.solver.image_buffers
        if self.memory_budget is None:
            size = BATCH_SIZE if batch_size is None else batch_size
            size = _checks.positive_int("batch_size", size)
            place = self._place(min(size, num_images), held)
            return size, self.patches_per_call, place
        if batch_size is not None:
            raise ValueError(
                "The size of the batches follows from `memory_budget`. Leave one of "
                f"the two out. Received: batch_size={batch_size!r}, memory_budget="
                f"{self.memory_budget}."
            )
        budget = self.memory_budget
        guides = () if self.guidance is None else self.guidance.networks
        place = self.images_on
        if not arguments.fits_device(self.model):
            place = "host"
        self.plan = plan = memory.plan(
            self.model,
            budget,
            num_images,
            images_held=held,
            verbose=verbose,
            guides=guides,
            images_on=place,
        )
        return plan.batch_size, plan.patches_per_call, plan.images_on

    def _place(self, batch_size, held):
        """Where that many images are while they are sampled."""
        if self.images_on is not None:
            return self.images_on
        if not arguments.fits_device(self.model):
            return "host"
        free = runtime.free_bytes()
        room = ROOM if free is None else free // 4
        used = images_bytes(
            self.model,
            images_held=held,
            images_on="device",
            patches_per_call=self.patches_per_call,
        )
        return "device" if batch_size * used <= room else "host"
