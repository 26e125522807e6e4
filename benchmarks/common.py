"""How the benchmarks that compare tell what several rounds gave."""

import statistics


def spread(name, values, digits=2):
    """The median under `name`, with the lowest and the highest, rounded: a dict."""
    return {
        name: round(statistics.median(values), digits),
        "lowest": round(min(values), digits),
        "highest": round(max(values), digits),
    }
