"""What could be gained if the content's part of the first convolution were reused.

    KERAS_BACKEND=tensorflow OMP_NUM_THREADS=1 python -m benchmarks.speed.content_share

All patches of a step have the same content as input, so its part of the first
convolution, which is linear, could be computed once a step. That part and the whole
network are timed alternately, in several rounds. The line has the median of its share,
with the lowest and the highest: the most that could be gained.
"""

import keras
import numpy as np

import keras_patchdpm as kp
from benchmarks import command_line, measuring

CALLS = 5


def main():
    """Times both in every round, writes the share."""
    parser = command_line.parser(
        __doc__, image_size=128, n=4, width=64, batch=4, rounds=5
    )
    options = parser.parse_args()
    model = measuring.build_model(
        f"grid{options.n}", options.image_size, width=options.width
    )
    side = options.image_size // options.n
    content = keras.Input((side, side, 3), name="content")
    part = keras.Model(
        {"content": content},
        keras.layers.Conv2D(options.width, 3, padding="same")(content),
    )
    rng = np.random.default_rng(0)
    data = {
        key: rng.normal(size=(options.batch, side, side, 3)).astype("float32")
        for key in ("noisy", "content")
    }
    data |= {
        key: np.ones(options.batch, "int32") for key in ("patch_index", "timestep")
    }
    whole, only = map(kp.runtime.network_call, (model.network, part))
    measures = {
        "part": lambda: shortest(lambda: only({"content": data["content"]})),
        "whole": lambda: shortest(lambda: whole(data)),
    }
    measuring.alternately(measures, 1)  # Compiles both.
    found = measuring.alternately(measures, options.rounds)
    shares = measuring.ratios(found["part"], found["whole"])
    command_line.write(options, measuring.spread("share", shares, 4))


def shortest(call):
    """The seconds of the shortest of several calls."""
    return min(measuring.seconds(call) for _ in range(CALLS))


if __name__ == "__main__":
    main()
