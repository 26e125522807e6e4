"""The time of a sampling step over that of its network calls alone.

    KERAS_BACKEND=jax OMP_NUM_THREADS=1 python -m benchmarks.speed.sampler_overhead
    KERAS_BACKEND=torch python -m benchmarks.speed.sampler_overhead --image-size 128 \
        --width 96 --images 64 --kinds whole grid2 grid4 cascade4 --all-patches

`network` is the reference value: as many calls of the network, compiled, on tensors
that are on the device, and one wait at the end. `device` and `host` are `PatchSampler`
with its images there. They run alternately, several rounds. There is a line for each
kind of patching and each place: the median of the ratios, the lowest, the highest.
Several kinds may share a process, since starting one takes long on a GPU.
"""

import functools
import statistics

import keras
import numpy as np

import keras_patchdpm as kp
from benchmarks import command_line, measuring
from keras_patchdpm import runtime
from keras_patchdpm.samplers.denoiser import groups_of


def main():
    """Times each kind, writes the ratios."""
    parser = command_line.parser(
        __doc__,
        network="unet",
        image_size=64,
        width=64,
        stem=2,
        images=2,
        steps=2,
        rounds=5,
    )
    add = parser.add_argument
    add("--kinds", nargs="+", default=["cascade4"], help="of patching, with N")
    add("--places", nargs="+", default=["device", "host"], help="of the images")
    add("--all-patches", action="store_true", help="in one call, after one in a call")
    options = parser.parse_args()
    for kind in options.kinds:
        model = measuring.build_model(
            kind,
            options.image_size,
            network=options.network,
            schedule=kp.DDPMSchedule(prediction="velocity"),
            width=options.width,
            stem=options.stem,
        )
        counts = [1]
        if options.all_patches and model.tiled().num_patches > 1:
            counts.append(model.tiled().num_patches)
        for count in counts:
            for figures in measured(model, count, options):
                command_line.write(options, {"kind": kind, **figures})


def measured(model, patches_per_call, options):
    """Yields the figures of each place of the images."""
    runs = {"network": calls_alone(model, patches_per_call, options)}
    for place in options.places:
        sampler = sampler_of(model, patches_per_call, options, images_on=place)
        runs[place] = functools.partial(
            sampler, options.images, batch_size=options.images
        )
    measures = {
        name: functools.partial(measuring.seconds, run) for name, run in runs.items()
    }
    first = measuring.alternately(measures, 1)  # Compiles all.
    seconds = measuring.alternately(measures, options.rounds)
    for place in options.places:
        ratios = measuring.ratios(seconds[place], seconds["network"])
        yield {
            "images_on": place,
            **measuring.spread("ratio", ratios, 3),
            "network_seconds": round(statistics.median(seconds["network"]), 4),
            "seconds": round(statistics.median(seconds[place]), 4),
            "first_seconds": round(first[place][0], 2),
            "patches_per_call": patches_per_call,
        }


def sampler_of(model, patches_per_call, options, **others):
    """The sampler that is measured."""
    return measuring.build_sampler(
        model,
        "ddim",
        options.steps,
        patches_per_call=patches_per_call,
        spacing="trailing",
        **others,
    )


def calls_alone(model, patches_per_call, options):
    """Function that calls the network as often as a sampling, on tensors at hand."""
    levels = sampler_of(model, patches_per_call, options).levels[:-1]
    rng, work = np.random.default_rng(0), []
    for stage in model.tiled().stages:
        most = len(groups_of(stage.num_patches, patches_per_call)[0])
        calls = sum(
            len(groups_of(len(stage.tiles(level, rng)), most)) for level in levels
        )
        work.append((calls, *compiled_call(model.network, options.images * most)))

    def run():
        for calls, call, inputs in work:
            for _ in range(calls):
                prediction = call(inputs)
        keras.ops.convert_to_numpy(prediction)

    return run


def compiled_call(network, rows):
    """The network as a function of a dict of tensors, and such a dict."""
    inputs = {
        name: keras.ops.convert_to_tensor(values)
        for name, values in measuring.random_inputs(network, rows).items()
    }

    def one_call(calls, loop, inputs):
        return calls[0](inputs)

    call = runtime.compiled_with((network,), ("alone", rows), lambda: one_call)
    return call, inputs


if __name__ == "__main__":
    main()
