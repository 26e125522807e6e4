"""Writes the tables and the plot of the documentation from `benchmarks/results/`.

    python -m benchmarks.tables

Each line that a benchmark printed is kept there, in the file of its name. The tables go
to `docs/tables/`, which pages include, the plot to `docs/figures/`.
"""

import itertools
import json
import pathlib

import matplotlib.pyplot as plt

ROOT = pathlib.Path(__file__).parents[1]
BACKENDS = {"tensorflow": "TensorFlow", "jax": "JAX", "torch": "PyTorch"}
CARD = 8e9  # Bytes of a GPU of 8 GB.
PAPER = {1: 1.0, 2: 0.436, 4: 0.287, 8: 0.245}  # Table 2 of Arakawa et al. 2023.


def main():
    """Writes all of them."""
    lines = _lines("peak_memory")
    _write("peak_memory", _peak_table(lines))
    _peak_plot(lines)
    _write("throughput", _throughput_table(_lines("throughput")))
    _write("memory_by_size", _size_table(_lines("by_size")))


def _lines(benchmark):
    path = ROOT / "benchmarks" / "results" / f"{benchmark}.jsonl"
    return [json.loads(line) for line in path.read_text().splitlines()]


def _write(name, rows):
    header, *body = [f"| {' | '.join(row)} |" for row in rows]
    ruler = "| --- " + "| --: " * (len(rows[0]) - 1) + "|"
    path = ROOT / "docs" / "tables" / f"{name}.md"
    path.write_text("\n".join([header, ruler, *body, ""]))


def _runs(lines):
    """Pairs of `(backend, batch)` and the lines of that run, N rising."""
    for key, run in itertools.groupby(lines, _key):
        yield key, sorted(run, key=lambda line: line["n"])


def _key(line):
    return line["backend"], line["batch"]


def _peak_table(lines):
    rows = [
        (
            "",
            "batch",
            "N",
            "weights (MiB)",
            "activations (MiB)",
            "over N = 1",
            "times N²",
            "peak over N = 1",
        )
    ]
    for (backend, batch), run in _runs(lines):
        whole = run[0]
        for number, line in enumerate(run):
            share = line["activations"] / whole["activations"]
            rows.append(
                (
                    "" if number else BACKENDS[backend],
                    "" if number else str(batch),
                    str(line["n"]),
                    f"{line['weights'] / 2**20:.0f}",
                    f"{line['activations'] / 2**20:.1f}",
                    f"{share:.4f}",
                    f"{share * line['n'] ** 2:.2f}",
                    f"{line['peak'] / whole['peak']:.3f}",
                )
            )
    return rows


def _peak_plot(lines):
    figure, axes = plt.subplots(figsize=(6, 4))
    for (backend, batch), run in _runs(lines):
        if batch != max(line["batch"] for line in lines):
            continue
        shares = [line["peak"] / run[0]["peak"] for line in run]
        label = f"{BACKENDS[backend]}, {batch} images"
        axes.plot([line["n"] for line in run], shares, "o-", label=label)
    axes.plot(list(PAPER), list(PAPER.values()), "k^:", label="paper, table 2")
    axes.set_xscale("log", base=2)
    axes.set_xticks(list(PAPER), [str(n) for n in PAPER])
    axes.set_ylim(0, 1.05)
    axes.set_xlabel("N")
    axes.set_ylabel("peak memory over N = 1")
    axes.legend()
    figure.savefig(ROOT / "docs" / "figures" / "peak_memory.png", dpi=110)


def _throughput_table(lines):
    rows = [("", "network", "time / whole image", "lowest to highest", "parameters")]
    before = None
    for line in lines:
        run = BACKENDS[line["backend"]], f"`{line['network']}`"
        backend, network = ("", "") if run == before else run
        before = run
        rows.append(
            (
                f"{backend} {line['contestant']}".strip(),
                network,
                f"{line['ratio']:.2f}",
                f"{line['lowest']:.2f} to {line['highest']:.2f}",
                f"{line['million_parameters']:.2f} M",
            )
        )
    return rows


def _size_table(lines):
    """Memory in MB, in brackets where it does not fit 8 GB."""
    numbers = sorted({line["n"] for line in lines})
    rows = [("image", "", *(f"N = {n}" for n in numbers))]
    for size, run in itertools.groupby(lines, lambda line: line["image_size"]):
        by_n = {line["n"]: line for line in run}
        for number, what in enumerate(("sampling", "training")):
            cells = (f"{by_n[n][what] / 1e6:,.0f}" for n in numbers)
            fits = (by_n[n][what] <= CARD for n in numbers)
            rows.append(
                (
                    "" if number else f"{size} x {size}",
                    what,
                    *(
                        cell if small else f"({cell})"
                        for cell, small in zip(cells, fits, strict=True)
                    ),
                )
            )
    return rows


if __name__ == "__main__":
    main()
