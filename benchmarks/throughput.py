"""How long sampling takes: patch by patch, at once, and by `diffusers`.

    KERAS_BACKEND=torch OMP_NUM_THREADS=1 python benchmarks/throughput.py --diffusers

The same images, one contestant after another in one process, several rounds. A line of
JSON for each: the median of its time over that of `whole`, round by round, with the
lowest and the highest. `whole` is the library's sampler on whole images, with the same
network; `patches K` gives the network K patches of each image at a time; `diffusers` is
its U-Net, of as many parameters as can be, in its `DDIMPipeline` (PyTorch alone).
"""

import argparse
import json
import statistics
import time

import keras
import numpy as np

import keras_patchdpm as kp


def main():
    """Times every contestant in every round, prints the ratios."""
    options = _options()
    contestants = {"whole": _ours(options, kp.WholeImage(), 1)}
    for n in options.n:
        patching = kp.GridPatching(n)
        for per_call in sorted({1, n, n * n}):
            contestants[f"N={n}, patches {per_call}"] = _ours(
                options, patching, per_call
            )
    if options.diffusers:
        contestants["diffusers"] = _diffusers(options)
    seconds = {name: [] for name in contestants}
    for _ in range(options.rounds):
        for name, (run, _) in contestants.items():
            start = time.perf_counter()
            run()
            seconds[name].append(time.perf_counter() - start)
    for name, (_, parameters) in contestants.items():
        pairs = zip(seconds[name], seconds["whole"], strict=True)
        ratios = [mine / whole for mine, whole in pairs]
        line = {
            "backend": keras.backend.backend(),
            "contestant": name,
            "ratio": round(statistics.median(ratios), 3),
            "lowest": round(min(ratios), 3),
            "highest": round(max(ratios), 3),
            "million_parameters": round(parameters / 1e6, 2),
            "image_size": options.image_size,
            "batch": options.batch,
        }
        print(json.dumps(line), flush=True)


def _options():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--image-size", type=int, default=128)
    parser.add_argument("--batch", type=int, default=4)
    parser.add_argument("--width", type=int, default=32)
    parser.add_argument("--n", type=int, nargs="*", default=[2, 4])
    parser.add_argument("--steps", type=int, default=2)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--diffusers", action="store_true")
    return parser.parse_args()


def _ours(options, patching, per_call):
    """`(run, parameters)` of the library's sampler, compiled and warm."""
    # Attention in the last level alone, as `diffusers` is given it.
    network = kp.networks.unet(
        options.image_size, patching, width=options.width, attention_levels=(2,)
    )
    model = kp.PatchDPM(network, kp.DDPMSchedule(), patching)
    sampler = kp.PatchSampler(model, "ddim", options.steps, per_call)

    def run():
        sampler(options.batch, batch_size=options.batch)

    run()
    return run, network.count_params()


def _diffusers(options):
    """The same of `diffusers`."""
    import diffusers

    width = options.width
    network = diffusers.UNet2DModel(
        sample_size=options.image_size,
        block_out_channels=(width, 2 * width, 2 * width),
        layers_per_block=2,
        down_block_types=("DownBlock2D", "DownBlock2D", "AttnDownBlock2D"),
        up_block_types=("AttnUpBlock2D", "UpBlock2D", "UpBlock2D"),
        attention_head_dim=None,
    )
    pipeline = diffusers.DDIMPipeline(network, diffusers.DDIMScheduler())
    pipeline.set_progress_bar_config(disable=True)

    def run():
        found = pipeline(
            batch_size=options.batch,
            num_inference_steps=options.steps,
            output_type="np",
        )
        np.rint(found.images * 255).astype("uint8")

    run()
    return run, sum(weight.numel() for weight in network.parameters())


if __name__ == "__main__":
    main()
