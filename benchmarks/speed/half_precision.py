"""Time and memory of a network call in half precision, over those in float32.

    KERAS_BACKEND=torch OMP_NUM_THREADS=1 python -m benchmarks.speed.half_precision

The same network is built with each policy, and all are called alternately, several
rounds, as a sampling does. There is a line for each policy: the median of the ratios of
time, the lowest, the highest, and the ratio of the activations.
"""

import functools

import keras

import keras_patchdpm as kp
from benchmarks import command_line, measuring
from keras_patchdpm.runtime import network_call

POLICIES = ["float32", "mixed_float16", "mixed_bfloat16"]


def main():
    """Times and profiles each policy, writes the ratios."""
    parser = command_line.parser(__doc__, image_size=128, width=64, batch=8, rounds=7)
    parser.add_argument("--patching", default="grid2", help="kind and N")
    options = parser.parse_args()
    networks, measures, activations = [], {}, {}
    for policy in POLICIES:
        keras.config.set_dtype_policy(policy)
        network = measuring.build_model(
            options.patching, options.image_size, width=options.width
        ).network
        measuring.randomize(network, 0.05)
        networks.append(network)  # The calls only refer to them.
        call = functools.partial(
            network_call(network), measuring.random_inputs(network, options.batch)
        )
        measures[policy] = functools.partial(measuring.seconds, call)
        activations[policy] = kp.memory.profile(
            network, batch_size=options.batch, divisions=1, timed=False
        ).activations
    measuring.alternately(measures, 2)  # Compiles all.
    seconds = measuring.alternately(measures, options.rounds)
    for policy in POLICIES[1:]:
        ratios = measuring.ratios(seconds[policy], seconds["float32"])
        figures = {
            "policy": policy,
            **measuring.spread("time", ratios),
            "activations": round(activations[policy] / activations["float32"], 2),
        }
        command_line.write(options, figures)


if __name__ == "__main__":
    main()
