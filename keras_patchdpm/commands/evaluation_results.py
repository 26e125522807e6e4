"""What `evaluate` computes besides the measures of features, and how it prints."""

import keras
import numpy as np

from keras_patchdpm.metrics import seam_ratio
from keras_patchdpm.resize import shrink

_SIDE = 32  # Pixels to which images are shrunk to detect copies.
_CHUNK = 256


def seams(divisions, images):
    """Seam ratios of samples and reference by N: a list of dicts.

    Args:
        divisions: List of ints.
        images: Dict of arrays of images: `samples`, and `reference` if there is one.
    """
    names = [name for name in ("samples", "reference") if name in images]
    return [
        {"n": n, **{name: seam_ratio(images[name], n) for name in names}}
        for n in divisions
    ]


def small(images):
    """Images of at most 32 x 32 pixels as floats."""
    size = tuple(min(side, _SIDE) for side in images.shape[1:3])
    chunks = range(0, len(images), _CHUNK)
    return np.concatenate(
        [
            keras.ops.convert_to_numpy(
                shrink(images[start : start + _CHUNK].astype("float32"), size)
            )
            for start in chunks
        ]
    )


def table(measured, results):
    """The results as lines of text.

    Args:
        measured: List of `Score`s.
        results: Dict with `seam_ratio`, as `seams` returns it, and perhaps `copies`.
    """
    rows = [("measure", "value", "spread", "images", "reference")]
    for each in measured:
        spread = "" if each.spread is None else f"{each.spread:.3g}"
        counts = each.count, each.reference_count
        rows.append((each.measure, f"{each.value:.5g}", spread, *counts))
    lines = ["{:<17}{:>11}{:>10}{:>8}{:>10}".format(*row) for row in rows]
    for ratio in results["seam_ratio"]:
        real = f", reference {ratio['reference']:.3f}" if "reference" in ratio else ""
        lines.append(f"seam ratio, N = {ratio['n']}: {ratio['samples']:.3f}{real}")
    if "copies" in results:
        lines.append(f"copies of training images: {results['copies']:.2%}")
    first = measured[0]
    lines += [
        f"features: {first.description}",
        f"samples: {first.source} (SHA-256 {first.digest})",
        f"reference: {first.reference} (SHA-256 {first.reference_digest})",
    ]
    return "\n".join(lines)
