"""A table of profiles: how memory falls with the number of patches."""

from keras_patchdpm.memory.report import ProfileReport, mebibytes

HEADER = (
    "N",
    "{} (MiB)",
    "activations (MiB)",
    "peak (MiB)",
    "activations / N = 1",
    "peak / N = 1",
    "seconds",
)


def table(reports):
    """A Markdown table of profiles, with lines on how they were measured.

    Args:
        reports: List of `ProfileReport`s of one backend, batch size and
            `patches_per_call`. Ratios are relative to the report whose `divisions` are
            `(1, 1)`, if there is one.

    Returns:
        String. 1 MiB is 2**20 bytes.

    Raises:
        TypeError: If `reports` is no list of reports.
        ValueError: If there is no report, or the reports cannot be compared.

    Example:

    >>> print(kp.memory.table([kp.memory.profile(model) for model in models]))
    """
    if isinstance(reports, ProfileReport) or not isinstance(reports, list | tuple):
        raise TypeError(
            "`reports` must be a list of reports: `table([report])`. "
            f"Received: reports of type {type(reports).__name__}."
        )
    reports = list(reports)
    for report in reports:
        if not isinstance(report, ProfileReport):
            raise TypeError(
                "`reports` must contain only results of `memory.profile`. Received: an "
                f"element of type {type(report).__name__}."
            )
    if not reports:
        raise ValueError("`reports` must contain at least one report. Received: none.")
    for name in ("batch_size", "patches_per_call"):
        _one_value(name, [getattr(report, name) for report in reports])
    _one_value("training", [report.training for report in reports])
    for name in ("backend", "method", "library"):
        _one_value(name, [getattr(report.measured, name) for report in reports])
    whole = next((r for r in reports if r.divisions == (1, 1)), None)
    kept = "weights and optimizer" if reports[0].training else "weights"
    header = [title.format(kept) for title in HEADER]
    rows = [header, *(_row(report, whole) for report in reports)]
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    lines = [_line(row, widths) for row in rows]
    lines.insert(1, "|" + "|".join("-" * (width + 1) + ":" for width in widths) + "|")
    return "\n".join([*lines, "", *_explanation(reports[0])])


def _row(report, whole):
    return (
        _label(report.divisions),
        mebibytes(report.peak - report.activations),
        mebibytes(report.activations),
        mebibytes(report.peak),
        _ratio(report, whole, "activations"),
        _ratio(report, whole, "peak"),
        "-" if report.seconds is None else f"{report.seconds:.3f}",
    )


def _line(row, widths):
    cells = (cell.rjust(width) for cell, width in zip(row, widths, strict=True))
    return "| " + " | ".join(cells) + " |"


def _label(divisions):
    """`"2"` for a grid of 2 x 2, `"2x3"` for one of 2 x 3, `"-"` if unknown."""
    if divisions is None:
        return "-"
    rows, cols = divisions
    return str(rows) if rows == cols else f"{rows}x{cols}"


def _ratio(report, whole, name):
    if whole is None:
        return "-"
    return f"{getattr(report, name) / getattr(whole, name):.3f}"


def _explanation(report):
    measured = report.measured
    work = "training step" if report.training else "network call of a sampling step"
    return [
        f"One {work}: images {report.batch_size}, patches of each "
        f"{report.patches_per_call}.",
        f"Activations: {measured.method} on {measured.device}.",
        f"Kernels: {measured.library}. Backend: {measured.backend}.",
        *measured.notes,
    ]


def _one_value(name, values):
    if len(set(values)) > 1:
        listed = ", ".join(sorted({repr(value) for value in values}))
        raise ValueError(
            f"Reports with different `{name}` cannot be compared. Put them in separate "
            f"tables. Received: {name}={listed}."
        )
