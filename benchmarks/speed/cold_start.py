"""What `sample(n=2)` adds to the start of its backend, in a fresh process.

    KERAS_BACKEND=tensorflow python -m benchmarks.speed.cold_start

Two processes run alternately, several rounds: one imports Keras and creates one array,
the other samples one image in one step, so that hardly any time is spent on sampling.
The line has the median, over the rounds, of the seconds between them and of their
ratio.
"""

import statistics
import subprocess
import sys

from benchmarks import command_line, measuring

BACKEND_ALONE = "import keras; keras.ops.convert_to_numpy(keras.ops.zeros(1))"
SAMPLE = "import keras_patchdpm as kp; kp.sample({n}, num_images=1, steps=1)"


def main():
    """Starts both in every round, writes the line."""
    options = command_line.parser(__doc__, n=2, rounds=5).parse_args()
    measures = {
        "alone": lambda: measuring.seconds(lambda: run(BACKEND_ALONE)),
        "sample": lambda: measuring.seconds(lambda: run(SAMPLE.format(n=options.n))),
    }
    measuring.alternately(measures, 1)  # Files are in memory, caches are filled.
    found = measuring.alternately(measures, options.rounds)
    added = [
        whole - alone
        for whole, alone in zip(found["sample"], found["alone"], strict=True)
    ]
    ratios = measuring.ratios(found["sample"], found["alone"])
    figures = {
        **measuring.spread("added_seconds", added),
        "ratio": round(statistics.median(ratios), 2),
    }
    command_line.write(options, figures)


def run(code):
    """Runs Python code in a process."""
    subprocess.run([sys.executable, "-c", code], check=True)


if __name__ == "__main__":
    main()
