"""What `sample(n=2)` adds to the start of its backend, in a fresh process.

    KERAS_BACKEND=tensorflow python benchmarks/cold_start.py

Two processes in turn, several rounds: one imports Keras and makes one array, the other
samples one image in one step, so that next to nothing of it is sampling. One line of
JSON: the median, over the rounds, of the seconds between them and of their ratio.
"""

import argparse
import json
import statistics
import subprocess
import sys
import time

import keras
from spread import spread

BACKEND_ALONE = "import keras; keras.ops.convert_to_numpy(keras.ops.zeros(1))"
SAMPLE = "import keras_patchdpm as kp; kp.sample({n}, num_images=1, steps=1)"


def main():
    """Starts both in every round, prints."""
    options = _options()
    sample = SAMPLE.format(n=options.n)
    for code in (BACKEND_ALONE, sample):  # Files are in memory, caches are filled.
        _seconds(code)
    rounds = [
        (_seconds(BACKEND_ALONE), _seconds(sample)) for _ in range(options.rounds)
    ]
    added = [whole - alone for alone, whole in rounds]
    line = {
        "benchmark": "cold_start",
        "backend": keras.backend.backend(),
        "n": options.n,
        **spread("added_seconds", added),
        "ratio": round(statistics.median(whole / alone for alone, whole in rounds), 2),
    }
    print(json.dumps(line))


def _seconds(code):
    start = time.perf_counter()
    subprocess.run([sys.executable, "-c", code], check=True)
    return time.perf_counter() - start


def _options():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--n", type=int, default=2)
    parser.add_argument("--rounds", type=int, default=5)
    return parser.parse_args()


if __name__ == "__main__":
    main()
