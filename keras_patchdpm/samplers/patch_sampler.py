"""The sampler that asks a network patch by patch."""

import numpy as np

from keras_patchdpm import _checks, memory
from keras_patchdpm.samplers import arguments
from keras_patchdpm.samplers.checkpoint import Checkpoint
from keras_patchdpm.samplers.gridded_model import in_grid
from keras_patchdpm.samplers.guidance import check_labels, check_scale
from keras_patchdpm.samplers.named_rules import named_rule
from keras_patchdpm.samplers.progress import Progress
from keras_patchdpm.samplers.run import Run

BATCH_SIZE = 16


class PatchSampler:
    """Makes images, a few patches at a time.

    The images lie in the host's memory; the network, and with it the device, sees
    `patches_per_call` patches of each image at a time. What comes out does not depend
    on `patches_per_call`, on the order of the patches, nor on the batches: image k
    depends on the seed and on k alone. Where memory runs out in the middle of a step,
    the call is repeated in halves, and the images are the same.

    Args:
        model: `PatchDPM`, or anything with its `network`, `schedule`, `patching` and
            `image_shape`.
        rule: `"ddpm"` (ancestral, both papers), `"ddim"` (Euler's method, with `eta`
            0), `"dpmpp_2m"` (good from 15 steps on), `"dpmpp_2m_sde"` (the same with
            fresh noise) or `"heun"` (two calls of the network a step, but the last).
        steps: Int from 1 to the schedule's timesteps, `None` for all of them, or a
            falling sequence of timesteps. Of an `EDMSchedule` there may be any
            number, `None` for 18; a sequence is of strengths.
        patches_per_call: Int from 1 to the number of patches. More are faster where
            the device has room, and take more memory.
        eta: Float in [0, 1]. Noise that `"ddim"` adds, 1 as much as `"ddpm"`.
        variance: Of `"ddpm"`: `"small"` (the authors' code) or `"large"` (the paper).
        clip: Bool. Whether the clean estimate is clipped to [-1, 1] at each step.
            `None`: if the model is not one of latents.
        order: Order of the patches, a permutation of their indices, or `None`.
        spacing: How fewer steps are spread over the timesteps: `"uniform"` (`None` is
            the same), `"leading"`, `"trailing"` or `"karras"`, the only one of an
            `EDMSchedule`.
        churn: Non-negative float, of `"heun"` and an `EDMSchedule`: noise that is
            added before each step, for the step to take away. The paper has 40.
        memory_budget: Int of bytes, or a string such as `"300MB"`, that weights,
            features and images may take. `patches_per_call` and the size of the
            batches are then chosen by `memory.plan`, so leave them out. After a call
            the attribute `plan` is the `MemoryPlan` that it used.
        divisions: Of a model of `RandomPatching`: positive int N, or a pair, the grid
            that images are made in. `None` for whole images, as Patch Diffusion has it.
            A model of any other patching has its grid from training.
        moving: Bool, of such a model: whether the grid is shifted at random at every
            step, so that no border stays where it is. `None` is False.
        overlap: Float in (0, 0.9], of such a model: part of a patch's side that the
            next one shares. Where they do, their mean is taken, with Gaussian weights.
        image_size: Int or pair, of such a model: another size of the whole images than
            it was trained on. Patches should still have a size that was.
        whole_above: Positive float, of such a model: strength of the noise, `sigma /
            alpha`, above which the whole image is one patch. That takes the memory
            of the whole image, and the time of one call.
        guidance_scale: Float of at least 0, of a model that was trained on labels. 1
            samples what is of the label; more, what is most of it; 0, anything. Others
            than 1 take two calls of the network for one.
        decode: Of a model of latents: function of float latents `(B, h, w, c)` to
            float images in [-1, 1], called with one image at a time; see
            `LatentSpace`. `None` returns latents.

    Raises:
        ValueError: If an argument is out of range, or is none of the rule's; unknown
            rules list those there are.

    Example:

    >>> sampler = PatchSampler(model, rule="dpmpp_2m", steps=20)
    >>> images = sampler(num_images=16, seed=0)    # uint8 (16, H, W, C)
    >>> frugal = PatchSampler(model, "ddim", 50, memory_budget="300MB")
    >>> any_n = PatchSampler(model_of_crops, "heun", 18, divisions=4, moving=True)

    Source: Arakawa et al. 2023 (arXiv:2304.07087), sections 3.1 and 3.4; the rules:
    see `keras_patchdpm.samplers.rules`.
    """

    def __init__(
        self,
        model,
        rule="ddpm",
        steps=None,
        patches_per_call=1,
        eta=0.0,
        variance="small",
        clip=None,
        order=None,
        spacing=None,
        churn=0.0,
        memory_budget=None,
        divisions=None,
        moving=None,
        overlap=None,
        image_size=None,
        whole_above=None,
        guidance_scale=1.0,
        decode=None,
    ):
        self.model = model = in_grid(
            model, divisions, moving, overlap, whole_above, image_size
        )
        self.rule_name = rule
        self.levels = model.schedule.levels(steps, spacing)
        self.num_patches = model.patching.num_patches
        self.patches_per_call = _checks.integer(
            "patches_per_call", patches_per_call, 1, self.num_patches
        )
        self.rule_options = {"eta": eta, "variance": variance, "churn": churn}
        self.rule = named_rule(
            rule, self.rule_options, model.schedule, len(self.levels) - 1
        )
        self.latents = getattr(model, "latents", False)
        self.num_classes = getattr(model, "num_classes", None)
        self.clip = not self.latents if clip is None else bool(clip)
        self.decode = arguments.check_decode(decode, self.latents)
        self.order = arguments.check_order(order, self.num_patches)
        self.memory_budget = arguments.check_budget(
            memory_budget, self.patches_per_call, model
        )
        self.guidance_scale = check_scale(guidance_scale, self.num_classes)
        self.plan = None  # Of a memory budget, once there was a call.

    def __call__(
        self,
        num_images=1,
        seed=0,
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
            noise: Float array `(num_images, H, W, C)` to start from, or `None` to
                draw it from `seed`.
            dtype: `"uint8"` for [0, 255] or `"float32"` for [-1, 1], the only one of
                latents that are not decoded.
            callback: Called as `callback(step, clean)` after each step, from 1, with
                the float estimate of the clean images of the batch at hand. The steps
                of a cascade's smaller images count, and come first.
            verbose: 1 shows a progress bar, with the time left and the memory in use,
                and the plan for a `memory_budget`.
            checkpoint: Path of a file that holds where the sampling stands, written
                every half minute. The same call goes on from it after a stop. It stays
                when all is done: delete it once the images are safe.
            labels: Of a model that was trained on labels: an int for all images, or
                one for each; `None` for images of any label.

        Returns:
            Array of shape `(num_images, H, W, C)`.

        Raises:
            ValueError: If an argument is out of range, `noise` of another shape, or
                the checkpoint that of another sampling.
        """
        images = self.stream(
            num_images,
            seed,
            batch_size,
            noise,
            dtype,
            callback,
            verbose,
            checkpoint,
            labels,
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
            num_images, seed, batch_size, noise, dtype, callback, verbose, checkpoint,
                labels: As for a call of the sampler.

        Returns:
            Iterator of `num_images` arrays of shape `(H, W, C)`.

        Raises:
            ValueError: As for a call, and before the first image is made.

        Example:

        >>> for image in sampler.stream(num_images=1000, batch_size=1):
        ...     save_images(image[None], next(names))
        """
        _checks.positive_int("num_images", num_images)
        _checks.integer("seed", seed, minimum=0)
        _checks.one_of("dtype", dtype, ("uint8", "float32"))
        arguments.check_floats(dtype, self.latents, self.decode)
        arguments.check_noise(noise, (num_images, *self.model.image_shape))
        batch_size, patches_per_call = self._sizes(num_images, batch_size, verbose)
        run = Run(
            self.model,
            self.levels,
            self.rule,
            self.order,
            self.clip,
            patches_per_call,
            num_images,
            seed,
            batch_size,
            noise,
            dtype,
            check_labels(labels, num_images, self.guidance_scale, self.num_classes),
            self.guidance_scale,
            self.latents,
            self.decode,
        )
        if checkpoint is not None:
            options = {"rule": self.rule_name, **self.rule_options, "clip": self.clip}
            checkpoint = Checkpoint(checkpoint, {**options, **run.description()})
        progress = Progress(run.steps, callback, verbose)
        return run.images(progress, checkpoint)

    def _sizes(self, num_images, batch_size, verbose):
        """Images, and patches of each, at a time."""
        if self.memory_budget is None:
            size = BATCH_SIZE if batch_size is None else batch_size
            return _checks.positive_int("batch_size", size), self.patches_per_call
        if batch_size is not None:
            raise ValueError(
                "The size of the batches follows from `memory_budget`. Leave one of "
                f"the two out. Received: batch_size={batch_size}, "
                f"memory_budget={self.memory_budget}."
            )
        held = 2 + self.rule.remembers + 2 * (self.rule.correction is not None)
        budget = self.memory_budget
        self.plan = plan = memory.plan(self.model, budget, num_images, held, verbose)
        return plan.batch_size, plan.patches_per_call
