"""What could be gained if the content's part of the first convolution were kept.

    KERAS_BACKEND=tensorflow OMP_NUM_THREADS=1 python benchmarks/content_share.py

All patches of a step are given the same content, so its part of the first convolution,
which is linear, could be made once a step. It is timed here beside the whole network,
in turn, in several rounds. One line of JSON: the median of its share, with the lowest
and the highest, which is the most that could be gained.
"""

import argparse
import json
import time

import keras
import numpy as np
from spread import spread

import keras_patchdpm as kp

CALLS = 5


def main():
    """Times both in every round, prints the share."""
    options = _options()
    patching = kp.GridPatching(options.n)
    network = kp.networks.unet(options.image_size, patching, width=options.width)
    side = options.image_size // options.n
    content = keras.Input((side, side, 3), name="content")
    part = keras.Model(
        {"content": content},
        keras.layers.Conv2D(options.width, 3, padding="same")(content),
    )
    draws = np.random.default_rng(0)
    data = {
        key: draws.normal(size=(options.batch, side, side, 3)).astype("float32")
        for key in ("noisy", "content")
    }
    data |= {key: np.ones(options.batch, "int32") for key in ("patch_index", "level")}
    whole, only = (kp.runtime.network_call(each) for each in (network, part))
    shares = []
    for _ in range(options.rounds + 1):  # The first compiles.
        seconds = _seconds(lambda: only({"content": data["content"]}))
        shares.append(seconds / _seconds(lambda: whole(data)))
    shares = shares[1:]
    line = {
        "benchmark": "content_share",
        "backend": keras.backend.backend(),
        "image_size": options.image_size,
        "n": options.n,
        "width": options.width,
        "batch": options.batch,
        **spread("share", shares, 4),
    }
    print(json.dumps(line))


def _seconds(call):
    """The shortest of some calls."""
    seconds = []
    for _ in range(CALLS):
        start = time.perf_counter()
        call()
        seconds.append(time.perf_counter() - start)
    return min(seconds)


def _options():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--image-size", type=int, default=128)
    parser.add_argument("--n", type=int, default=4)
    parser.add_argument("--width", type=int, default=64)
    parser.add_argument("--batch", type=int, default=4)
    parser.add_argument("--rounds", type=int, default=5)
    return parser.parse_args()


if __name__ == "__main__":
    main()
