"""The time of a sampling step over that of its network calls alone.

    KERAS_BACKEND=jax OMP_NUM_THREADS=1 python benchmarks/sampler_overhead.py
    KERAS_BACKEND=torch python benchmarks/sampler_overhead.py --size 128 --width 96 \
        --images 64 --kinds whole grid2 grid4 cascade4 --all-patches

`network` is the lower bound: as many calls of the network, compiled, on tensors that
are on the device, and one wait at the end. `device` and `host` are `PatchSampler`
with its images there. They run alternately, several rounds. A line of JSON for each
kind of patching and each place: the median of the ratios, the lowest, the highest.
"""

import argparse
import json
import time

import keras
import numpy as np
from spread import spread

import keras_patchdpm as kp
from keras_patchdpm import runtime


def main():
    """Times each kind, prints the ratios."""
    options = _options()
    for kind in options.kinds:
        model = build(kind, options)
        counts = [1]
        if options.all_patches and model.patching.num_patches > 1:
            counts.append(model.patching.num_patches)
        for count in counts:
            for line in measured(model, count, options):
                print(json.dumps({"kind": kind, **line}), flush=True)


def build(kind, options):
    """A model of that kind, such as `grid4`, with random weights."""
    name, n = (
        kind.rstrip("0123456789"),
        int(kind[len(kind.rstrip("0123456789")) :] or 1),
    )
    patching = {
        "whole": kp.WholeImage,
        "grid": lambda: kp.GridPatching(n),
        "cascade": lambda: kp.CascadePatching(n),
    }[name]()
    schedule = kp.DDPMSchedule("cosine", prediction="velocity")
    if options.network == "arakawa_unet":
        network = kp.networks.arakawa_unet(options.size, n, dim=options.width)
    else:
        network = kp.networks.unet(
            options.size, patching, width=options.width, stem=options.stem
        )
    return kp.PatchDPM(network, schedule, patching)


def measured(model, patches_per_call, options):
    """Yields a line for each place of the images."""
    runs = {"network": calls_alone(model, patches_per_call, options)}
    for place in options.places:
        sampler = kp.PatchSampler(
            model,
            "ddim",
            options.steps,
            patches_per_call=patches_per_call,
            images_on=place,
            spacing="trailing",
        )
        runs[place] = lambda sampler=sampler: sampler(
            options.images, batch_size=options.images
        )
    first = {}
    for name, run in runs.items():
        start = time.perf_counter()
        run()
        first[name] = round(time.perf_counter() - start, 2)
    seconds = {name: [] for name in runs}
    for _ in range(options.rounds):
        for name, run in runs.items():
            start = time.perf_counter()
            run()
            seconds[name].append(time.perf_counter() - start)
    for place in options.places:
        pairs = zip(seconds[place], seconds["network"], strict=True)
        yield {
            "benchmark": "sampler_overhead",
            "backend": keras.backend.backend(),
            "images_on": place,
            **spread("ratio", [ours / alone for ours, alone in pairs], 3),
            "network_seconds": round(float(np.median(seconds["network"])), 4),
            "seconds": round(float(np.median(seconds[place])), 4),
            "first_seconds": first[place],
            "patches_per_call": patches_per_call,
            "network": options.network,
            "size": options.size,
            "width": options.width,
            "images": options.images,
            "steps": options.steps,
        }


def calls_alone(model, patches_per_call, options):
    """Function that calls the network as often as a sampling, on tensors at hand."""
    work = []
    for stage, _ in model.patching.stages(model.image_shape):
        calls = -(-stage.num_patches // patches_per_call)
        rows = options.images * -(-stage.num_patches // calls)
        work.append((calls * options.steps, *compiled_call(model.network, rows)))

    def run():
        for calls, call, inputs in work:
            for _ in range(calls):
                prediction = call(inputs)
        keras.ops.convert_to_numpy(prediction)

    return run


def compiled_call(network, rows):
    """The network as a function of a dict of tensors, and such a dict."""
    inputs, rng = {}, np.random.default_rng(0)
    for name, tensor in network.input.items():
        dtype = keras.backend.standardize_dtype(tensor.dtype)
        values = np.zeros((rows, *tensor.shape[1:]), dtype)
        if "float" in dtype:
            values += rng.standard_normal(values.shape).astype(dtype)
        inputs[name] = keras.ops.convert_to_tensor(values)

    def one_call(calls, loop, inputs):
        return calls[0](inputs)

    call = runtime.compiled_with((network,), ("alone", rows), lambda: one_call)
    return call, inputs


def _options():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--kinds", nargs="+", default=["cascade4"])
    parser.add_argument("--places", nargs="+", default=["device", "host"])
    parser.add_argument("--network", choices=("unet", "arakawa_unet"), default="unet")
    parser.add_argument("--size", type=int, default=64)
    parser.add_argument("--width", type=int, default=64)
    parser.add_argument("--stem", type=int, default=2)
    parser.add_argument("--images", type=int, default=2)
    parser.add_argument("--steps", type=int, default=2)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--all-patches", action="store_true")
    return parser.parse_args()


if __name__ == "__main__":
    main()
