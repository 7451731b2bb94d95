"""Draw charts as PNG and SVG with matplotlib, without a screen."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from bench.curve import Group, curves, flat_lines

FORMATS = ("png", "svg")


def draw_curve(folder: Path, found: Sequence[Group]) -> list[Path]:
    """Write curve.png and curve.svg into a folder, and give their paths; none where nothing was varied."""
    from matplotlib import rc_context
    from matplotlib.figure import Figure

    learners = curves(found)
    if not learners:
        return []
    figure = Figure(figsize=(8, 5), layout="constrained")
    axes: Any = figure.subplots()
    for row, own in learners.items():
        errors = [100 * (group.sd or 0) for group in own]
        means = [100 * group.mean for group in own]
        axes.errorbar([g.per_label for g in own], means, yerr=errors, marker="o", capsize=3, label=row)
    for i, group in enumerate(flat_lines(found)):
        axes.axhline(100 * group.mean, linestyle="--", color=f"C{len(learners) + i}", label=group.row)
    axes.set_xscale("log", base=2)
    axes.xaxis.set_major_formatter("{x:g}")
    axes.set_xlabel("training messages a label")
    axes.set_ylabel("accuracy %")
    axes.grid(visible=True, alpha=0.3)
    axes.legend(loc="lower right")
    paths = [folder / f"curve.{kind}" for kind in FORMATS]
    # without a date, and with ids that are not drawn at random, two reports of one run are equal
    with rc_context({"svg.hashsalt": "bench"}):
        for path in paths:
            figure.savefig(path, dpi=150, metadata={"Date": None} if path.suffix == ".svg" else None)
    return paths
