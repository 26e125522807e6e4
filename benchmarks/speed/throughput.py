"""How long sampling takes: patch by patch, at once, and by others' code.

    KERAS_BACKEND=torch OMP_NUM_THREADS=1 python benchmarks/throughput.py --diffusers

The same images, one contestant after another in one process, several rounds. A line of
JSON for each: the median of its time over that of the first, round by round, with the
lowest and the highest. `whole` is this library's sampler on whole images with the same
network; `N=2, 4 patches` gives the network four patches of each image at a time.

With `--network arakawa_unet` the network is that of Arakawa et al., of `--width`, for
their own code (`--authors FOLDER`, a checkout of it) to be laid beside, N by N.
Otherwise it is `networks.unet`, and `--diffusers` and `--denoising-diffusion-pytorch
FOLDER` take part, with U-Nets of as many parameters as can be.
"""

import argparse
import json
import time

import contestants
import keras
from spread import spread

import keras_patchdpm as kp


def main():
    """Times every contestant in every round, prints the ratios."""
    options = _options()
    runs = dict(_contestants(options))
    first, seconds = next(iter(runs)), {name: [] for name in runs}
    for _ in range(options.rounds):
        for name, contestant in runs.items():
            start = time.perf_counter()
            contestant.run()
            seconds[name].append(time.perf_counter() - start)
    for name, contestant in runs.items():
        pairs = zip(seconds[name], seconds[first], strict=True)
        ratios = [mine / whole for mine, whole in pairs]
        line = {
            "benchmark": "throughput",
            "backend": keras.backend.backend(),
            "network": options.network,
            "contestant": name,
            **spread("ratio", ratios, 3),
            "million_parameters": round(contestant.parameters / 1e6, 2),
            "image_size": options.image_size,
            "batch": options.batch,
        }
        print(json.dumps(line), flush=True)


def _contestants(options):
    """Pairs of a name and a `Contestant`."""
    whole = contestants.ours(*_network(options, 1), options, 1)
    yield "whole", whole
    for n in options.n:
        network, patching = _network(options, n)
        for per_call in sorted({1, n, n * n}):
            name = f"N={n}, {per_call} patch{'es' * (per_call > 1)}"
            yield name, contestants.ours(network, patching, options, per_call)
        if options.authors:
            yield f"N={n}, authors", contestants.authors(options, n, options.authors)
    if options.diffusers:
        yield "diffusers", contestants.diffusers(options, whole.parameters)
    if options.denoising_diffusion_pytorch:
        yield (
            "denoising-diffusion-pytorch",
            contestants.denoising_diffusion_pytorch(
                options, whole.parameters, options.denoising_diffusion_pytorch
            ),
        )


def _network(options, n):
    """`(network, patching)` for a grid of N x N."""
    if options.network == "arakawa_unet":
        network = kp.networks.arakawa_unet(options.image_size, n, options.width)
        return network, kp.GridPatching(n)
    patching = kp.GridPatching(n) if n > 1 else kp.WholeImage()
    # Attention in the last level alone, as the others are given it.
    network = kp.networks.unet(
        options.image_size, patching, width=options.width, attention_levels=(2,)
    )
    return network, patching


def _options():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--network", choices=("unet", "arakawa_unet"), default="unet")
    parser.add_argument("--image-size", type=int, default=128)
    parser.add_argument("--batch", type=int, default=4)
    parser.add_argument("--width", type=int, default=32)
    parser.add_argument("--n", type=int, nargs="*", default=[2, 4])
    parser.add_argument("--steps", type=int, default=2)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--diffusers", action="store_true")
    parser.add_argument("--denoising-diffusion-pytorch", metavar="FOLDER")
    parser.add_argument("--authors", metavar="FOLDER")
    return parser.parse_args()


if __name__ == "__main__":
    main()
