"""How long sampling takes: patch by patch, all at once, and with other libraries.

    KERAS_BACKEND=torch python -m benchmarks.speed.throughput --diffusers

The same number of images, the contestants alternately in one process, several rounds.
There is a line for each: the median of its time over that of the first, round by round,
with the lowest and the highest. `whole` is this library's sampler on whole images with
the same network; `N=2, 4 patches` gives the network four patches of each image at a
time.

With `--network arakawa_unet` the network is that of Arakawa et al., of `--width`, to be
compared with their own code (`--authors FOLDER`, a checkout of it) at each N. Otherwise
it is `networks.unet`, and `--diffusers` and `--denoising-diffusion-pytorch FOLDER` take
part, with U-Nets whose numbers of parameters are as near as possible.
"""

import functools

from benchmarks import command_line, measuring
from benchmarks.speed import contestants


def main():
    """Times every contestant in every round, writes the ratios."""
    parser = command_line.parser(
        __doc__,
        network="unet",
        image_size=128,
        batch=4,
        width=32,
        n=[2, 4],
        steps=2,
        rounds=5,
    )
    add = parser.add_argument
    add("--diffusers", action="store_true", help="takes part")
    add("--denoising-diffusion-pytorch", metavar="FOLDER", help="takes part")
    add("--authors", metavar="FOLDER", help="the code of Arakawa et al. takes part")
    options = parser.parse_args()
    found = dict(all_contestants(options))
    measures = {
        name: functools.partial(measuring.seconds, contestant.run)
        for name, contestant in found.items()
    }
    measuring.alternately(measures, 1)  # Compiles all.
    seconds = measuring.alternately(measures, options.rounds)
    for name, contestant in found.items():
        ratios = measuring.ratios(seconds[name], seconds["whole"])
        figures = {
            "contestant": name,
            **measuring.spread("ratio", ratios, 3),
            "million_parameters": round(contestant.parameters / 1e6, 2),
        }
        command_line.write(options, figures)


def all_contestants(options):
    """Yields pairs of a name and a `Contestant`."""
    whole = contestants.ours(options, build(options, 1), 1)
    yield "whole", whole
    for n in options.n:
        model = build(options, n)
        for per_call in sorted({1, n, n * n}):
            name = f"N={n}, {per_call} patch{'es' * (per_call > 1)}"
            yield name, contestants.ours(options, model, per_call)
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


def build(options, n):
    """A model of a grid of N x N."""
    if options.network == "arakawa_unet":
        return measuring.build_model(
            f"grid{n}", options.image_size, network="arakawa_unet", width=options.width
        )
    return measuring.build_model(
        f"grid{n}" if n > 1 else "whole",
        options.image_size,
        width=options.width,
        attention_depths=(2,),  # The last one, as in the other libraries' networks.
    )


if __name__ == "__main__":
    main()
