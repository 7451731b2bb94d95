"""What is written of several data sets: accuracies and ranks, their tests, and the critical-difference diagram."""

from __future__ import annotations

import json
from dataclasses import asdict
from itertools import combinations
from pathlib import Path
from typing import Any

import numpy as np

from bench.analysis.ranking import LEVEL, Standings
from bench.records.jsonl import replace_file
from bench.report.tables.comparison import p_text
from bench.report.tables.table import Table, table_section
from bench.report.text import share
from classifiers.errors import BenchError

DIAGRAM = "critical-difference"


def standings_table(found: Standings) -> Table:
    """Return a line per classifier, the best mean rank first, and a column per data set."""
    order = np.argsort(found.mean_ranks, kind="stable")
    best = found.accuracies.max(axis=1)
    body = tuple(
        (
            found.classifiers[i],
            f"{found.mean_ranks[i]:.2f}",
            *(share(float(found.accuracies[j, i])) for j in range(len(found.data_sets))),
        )
        for i in order
    )
    bold = frozenset(
        (place, 2 + j)
        for place, i in enumerate(order)
        for j in range(len(found.data_sets))
        if found.accuracies[j, i] == best[j]
    )
    return Table(
        "Over all data sets", ("classifier", "mean rank", *found.data_sets), body, bold, notes=tuple(_notes(found))
    )


def _notes(found: Standings) -> list[str]:
    notes = ["accuracy in %; rank 1 is the best on a data set (Demšar 2006)."]
    if found.p_value is None:
        notes.append("too few data sets or classifiers for a test of the ranks: three of each are needed.")
    else:
        notes.append(f"p of Friedman's test that all are alike: {p_text(found.p_value)}.")
        notes.append(_told_apart(found))
    notes += [f"left out, for it has no scores on some data set: {name}." for name in found.left_out]
    return notes


def _told_apart(found: Standings) -> str:
    pairs = found.nemenyi
    assert pairs is not None
    apart = [
        f"{found.classifiers[i]} and {found.classifiers[j]} (p {p_text(float(pairs[i, j]))})"
        for i, j in combinations(range(len(found.classifiers)), 2)
        if pairs[i, j] < LEVEL
    ]
    if not apart:
        return f"Nemenyi's test tells no two apart on {len(found.data_sets)} data sets; more data sets may."
    return f"Nemenyi's test tells apart: {', '.join(apart)}."


def write_standings(folder: Path, found: Standings) -> list[Path]:
    """Write across.md, across.json and, where the ranks could be tested, the diagram as PNG and SVG."""
    values: dict[str, Any] = asdict(found) | {"ranks": found.ranks, "mean_ranks": found.mean_ranks}
    plain = {name: value.tolist() if isinstance(value, np.ndarray) else value for name, value in values.items()}
    table = "\n".join(table_section(standings_table(found))) + "\n"
    try:
        folder.mkdir(parents=True, exist_ok=True)
        replace_file(folder / "across.md", f"# {folder.name}\n\n{table}".encode())
        replace_file(folder / "across.json", json.dumps(plain, indent=1, ensure_ascii=False).encode() + b"\n")
        drawn = _draw(folder, found) if found.nemenyi is not None else []
    except OSError as error:
        raise BenchError(f"cannot write to {folder}: {error.strerror}") from error
    return [folder / "across.md", folder / "across.json", *drawn]


def _draw(folder: Path, found: Standings) -> list[Path]:
    """Draw the critical-difference diagram (scikit-posthocs): a bar joins what Nemenyi's test does not tell apart."""
    import pandas as pd
    import scikit_posthocs
    from matplotlib.figure import Figure

    names = list(found.classifiers)
    figure = Figure(figsize=(8, 1.2 + 0.3 * len(names)), layout="constrained")
    axes = figure.subplots()
    scikit_posthocs.critical_difference_diagram(
        pd.Series(found.mean_ranks, index=names),
        pd.DataFrame(found.nemenyi, index=names, columns=names),
        alpha=LEVEL,
        ax=axes,
    )
    axes.set_title(f"Mean rank over {len(found.data_sets)} data sets; joined: not told apart (Nemenyi, 5 %)")
    files = [folder / f"{DIAGRAM}.{kind}" for kind in ("png", "svg")]
    for file in files:
        figure.savefig(file, dpi=150)
    return files
