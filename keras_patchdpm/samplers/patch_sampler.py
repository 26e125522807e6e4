"""The sampler: generates images with a trained model, patch by patch."""

import numpy as np

from keras_patchdpm import _checks
from keras_patchdpm.patching.tiled_model import as_tiled
from keras_patchdpm.samplers import arguments
from keras_patchdpm.samplers._call import start
from keras_patchdpm.samplers.arguments import MOST_IMAGES
from keras_patchdpm.samplers.noise import starting_noise
from keras_patchdpm.solvers import as_solver


class PatchSampler:
    """Generates images, a few patches at a time.

    The network receives `patches_per_call` patches of each image at a time. The images
    do not depend on `patches_per_call`, on the order of the patches, or on the batches:
    image k depends on the seed and on k alone. If memory runs out within a step, the
    images are moved to the host's memory. Network calls that are still too large are
    repeated in halves. The images stay the same.

    Args:
        model: `PatchDPM`, sampled in the patches of its training, or what its `tiled`
            returns, for other patches or another size of image.
        solver: `"ddpm"` (ancestral, as in both published systems), `"ddim"` (Euler's
            method), `"dpmpp_2m"` (good from 15 steps on), `"dpmpp_2m_sde"` (the same
            with fresh noise) or `"heun"` (two network calls a step but the last). Or a
            `Solver` with options, such as `solvers.DDIM(eta=1.0)`, or one of your own.
        steps: Int from 1 to the schedule's timesteps, or a falling sequence of
            timesteps. Default `None`: all of them. Of a `DDPMSchedule` these are 1000
            network calls for each patch, which take long; 20 to 50 of another solver
            are enough. An `EDMSchedule` accepts any number, has 18 by default, and its
            sequences hold strengths `sigma / alpha`.
        patches_per_call: Int from 1 to the patches of a step. More are faster and need
            more memory. Default 1.
        spacing: How fewer steps are spread over the timesteps: `"karras"` (the
            default), `"uniform"`, `"leading"` or `"trailing"`. An `EDMSchedule` has
            `"karras"` only, and a sequence of `steps` has none.
        memory_budget: Int of bytes, or a string such as `"300MB"`, for weights,
            activations and images. `memory.plan` then chooses `patches_per_call` and
            the size of the batches: leave both out. After a call the attribute `plan`
            is the `MemoryPlan` that was used. Default `None`: no limit.
        guidance: `Guidance`, by labels or by a worse model. It doubles the network
            calls. Default `None`: no guidance.
        decode: For a model of latents: function of float latents `(B, h, w, c)` to
            float images in [-1, 1], called with one image at a time; see
            `LatentSpace`. Default `None`: latents are returned.
        images_on: Where the images are while they are sampled. `"device"`: a step is
            one compiled function, which is faster. `"host"`: images are in the host's
            memory, and patches are copied to the device; for images that are large
            compared with the device's memory. Default `None`: the device, if the
            images need less than a quarter of its free memory, or less than 256 MiB if
            the backend does not report it (CPUs, TensorFlow). The choice changes no
            image by more than 1e-4.

    Raises:
        TypeError: If `model` is no `PatchDPM`, or an argument has the wrong type.
        ValueError: If an argument is out of range, the solver unknown (the message
            lists all), or the solver cannot use the model's schedule.

    Example:

    >>> sampler = PatchSampler(model, "dpmpp_2m", steps=20)
    >>> images = sampler(num_images=16, seed=0)    # uint8 (16, H, W, C)
    >>> frugal = PatchSampler(model, "ddim", 50, memory_budget="300MB")
    >>> any_n = PatchSampler(model_of_crops.tiled(4, shift=True), "heun", 18)

    Source: Arakawa et al. 2023 (arXiv:2304.07087), sections 3.1 and 3.4. The sources of
    the solvers are given in `solvers`.
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
        self.plan = None  # Of a memory budget, after a call.

    def __repr__(self):
        height, width, channels = self.model.image_shape
        return (
            f"<PatchSampler: {self.solver!r} in {len(self.levels) - 1} steps, "
            f"{self.patches_per_call} of {self.num_patches} patches in a call, images "
            f"of {height}x{width}x{channels}, {self.model.patching!r}>"
        )

    def __call__(
        self, num_images=None, seed=0, *, indices=None, dtype="uint8", **options
    ):
        """Generates images and returns them together.

        Args:
            num_images, indices: The images to generate: see `stream`. Default: one.
            seed: Non-negative int. Image k of one seed is always the same.
            dtype: `"uint8"` for [0, 255] or `"float32"` for [-1, 1].
            **options: `batch_size`, `noise`, `callback`, `verbose`, `checkpoint`,
                `labels`, `init_images`, `strength`, `mask`, `repeats`, `thumbnails` and
                `measurement`: see `stream`.

        Returns:
            Array of shape `(num_images, H, W, C)`.

        Raises:
            TypeError, ValueError, OSError, RuntimeError: As `stream`; also if the
                images do not fit in the machine's memory.

        Example:

        >>> images = sampler(num_images=16, seed=0, batch_size=4, verbose=1)
        >>> rest = sampler(indices=range(16, 32), seed=0)
        """
        num_images, indices = arguments.check_indices(indices, num_images)
        dtype = arguments.check_dtype(dtype)
        if self.decode is None:
            arguments.check_fits(num_images, self.model.image_shape, dtype)
        images = self.stream(seed=seed, indices=indices, dtype=dtype, **options)
        first = next(images)
        result = np.empty((num_images, *first.shape), dtype)
        result[0] = first
        for number, image in enumerate(images, 1):
            result[number] = image
        return result

    def stream(
        self,
        num_images=None,
        seed=0,
        *,
        indices=None,
        batch_size=None,
        noise=None,
        dtype="uint8",
        callback=None,
        verbose=0,
        checkpoint=None,
        labels=None,
        init_images=None,
        strength=None,
        mask=None,
        repeats=1,
        thumbnails=None,
        measurement=None,
    ):
        """Generates images and yields each as soon as it is finished.

        Args:
            num_images: Positive int. Default `None`: 1, or as many as `indices`.
            seed: Non-negative int. Image k of one seed is always the same.
            indices: Range or list of ints of at least 0: the images to generate, for
                several processes that share them. They are those that one call would
                generate. `labels`, `noise` and the other arrays have a row for each of
                `indices`, in this order. Default `None`: images 0 to `num_images - 1`.
            batch_size: Positive int. Images that are computed together, at most.
                Default `None`: 16, or as many as `memory_budget` allows.
            noise: Standard normal array `(num_images, H, W, C)` to start from; for a
                cascade a list of one array for each stage, the thumbnail's first. It
                must be finite. `draw_noise` returns such noise. Default `None`: it is
                drawn from `seed`. Noise that a solver adds, and the offsets of a
                shifted grid, always come from `seed`.
            dtype: `"uint8"` for [0, 255] or `"float32"` for [-1, 1]. Latents that are
                not decoded must be `"float32"`. NumPy's types are accepted too.
            callback: Called as `callback(step, clean)` after each step, from 1, with
                the float estimate of the clean images of the current batch. The
                smaller images of a cascade come first.
            verbose: 1 shows a progress bar, and the plan for a `memory_budget`. Default
                0: nothing is shown.
            checkpoint: Path of a file for the progress: the finished images and the
                last whole step. It is written after the first step, every half minute,
                and when the sampling is stopped. The same call resumes from it, in
                another process too. A call that would generate other images is refused.
                Delete the file once the images are safe. Default `None`: no checkpoint.
            labels: For a model that was trained on labels: an int for all images, or
                one for each. Default `None`: images of any label.
            init_images: Images to change: uint8, or floats in [-1, 1], of shape
                `(num_images, H, W, C)`, or one for all. Noise is added to them, and the
                sampling starts there. Default `None`: it starts from noise.
            strength: Number in (0, 1]: the share of the steps that are made, the last
                ones. With 1, little is left of `init_images`. Default `None`: 0.6, or 1
                with a `mask`.
            mask: Bools of shape `(H, W)` or `(num_images, H, W)`: the pixels to
                generate. The others stay those of `init_images`, exactly. Default
                `None`: all.
            repeats: Positive int. With a `mask`, how many times each step is made: new
                pixels fit the kept ones better. Default 1.
            thumbnails: Images to enlarge, of the size of an earlier stage of a cascade,
                as `init_images` otherwise. Default `None`.
            measurement: `Measurement` that the images must agree with. Default `None`.

        Returns:
            Iterator of `num_images` arrays of shape `(H, W, C)`.

        Raises:
            TypeError: If an argument has the wrong type.
            ValueError: If an argument is out of range, `noise` has another shape, the
                checkpoint is damaged or that of another sampling, or the network
                predicts NaN or infinity.
            OSError: If the checkpoint cannot be written.
            RuntimeError: In a process that was forked after TensorFlow or JAX was used.

        Example:

        >>> for k, image in enumerate(sampler.stream(num_images=1000, batch_size=1)):
        ...     keras_patchdpm.save_images(image[None], f"{k:04}.png")
        """
        return start(
            self,
            num_images,
            seed,
            indices=indices,
            batch_size=batch_size,
            noise=noise,
            dtype=dtype,
            callback=callback,
            verbose=verbose,
            checkpoint=checkpoint,
            labels=labels,
            given={
                "init_images": init_images,
                "strength": strength,
                "mask": mask,
                "repeats": repeats,
                "thumbnails": thumbnails,
                "measurement": measurement,
            },
        )

    def draw_noise(self, num_images=1, seed=0):
        """Draws the noise that sampling starts from, to be changed and passed back.

        `sampler(n, noise=sampler.draw_noise(n, seed))` gives the images of
        `sampler(n, seed)`, if neither the solver nor a shifted grid draws anything else
        from the seed; with the same `seed` it always does.

        Args:
            num_images: Positive int.
            seed: Non-negative int.

        Returns:
            Float32 array `(num_images, H, W, C)`, standard normal; for a cascade a list
            of one array for each stage, the thumbnail's first.

        Raises:
            TypeError: If an argument is not an int.
            ValueError: If an argument is out of range.

        Example:

        >>> one, other = sampler.draw_noise(1, seed=1), sampler.draw_noise(1, seed=2)
        >>> between = kp.slerp(one, other, [0.25, 0.5, 0.75])
        >>> images = sampler(3, noise=between)
        """
        num_images = _checks.integer(
            "num_images", num_images, minimum=1, maximum=MOST_IMAGES
        )
        seed = arguments.check_seed(seed)
        arguments.check_fits(num_images, self.model.image_shape, "float32")
        noise = [
            starting_noise(seed, range(num_images), shape, stage=stage)
            for stage, shape in enumerate(self.image_shapes)
        ]
        return noise if len(noise) > 1 else noise[0]

    @property
    def image_shapes(self):
        """`(height, width, channels)` of the images of each stage."""
        return [stage.image_shape for stage in self.model.stages]
