"""What is written of several data sets: accuracies and ranks, their tests, and the critical-difference diagram."""

from __future__ import annotations

import json
from dataclasses import asdict
from itertools import combinations
from pathlib import Path
from typing import Any

import numpy as np

from bench.analysis.ranking import LEVEL, Standings
from bench.files import replace_file
from bench.report.tables.comparison import p_text
from bench.report.tables.table import Table, table_section
from bench.report.text import share
from classifiers.errors import BenchError
from classifiers.plurals import number_of

DIAGRAM = "critical-difference"


def standings_table(standings: Standings) -> Table:
    """Return a line per classifier, the best mean rank first, and a column per data set."""
    order = np.argsort(standings.mean_ranks, kind="stable")
    best = standings.accuracies.max(axis=1)
    body = tuple(
        (
            standings.classifiers[i],
            f"{standings.mean_ranks[i]:.2f}",
            *(share(float(standings.accuracies[j, i])) for j in range(len(standings.data_sets))),
        )
        for i in order
    )
    bold = frozenset(
        (place, 2 + j)
        for place, i in enumerate(order)
        for j in range(len(standings.data_sets))
        if standings.accuracies[j, i] == best[j]
    )
    return Table(
        "Over all data sets",
        ("classifier", "mean rank", *standings.data_sets),
        body,
        bold,
        notes=tuple(_notes(standings)),
    )


def _notes(standings: Standings) -> list[str]:
    notes = ["accuracy in %; rank 1 is the best on a data set (Demšar 2006)."]
    if standings.p_value is None:
        notes.append("too few data sets or classifiers for a test of the ranks: three of each are needed.")
    else:
        notes.append(f"p of Friedman's test that all are alike: {p_text(standings.p_value)}.")
        notes.append(_told_apart(standings))
    notes += [f"{text}." for text in standings.stopped]
    notes += [f"left out, for it has no scores on some data set: {name}." for name in standings.left_out]
    return notes


def _told_apart(standings: Standings) -> str:
    pairs = standings.nemenyi
    assert pairs is not None
    apart = [
        f"{standings.classifiers[i]} and {standings.classifiers[j]} (p {p_text(float(pairs[i, j]))})"
        for i, j in combinations(range(len(standings.classifiers)), 2)
        if pairs[i, j] < LEVEL
    ]
    if not apart:
        sets = number_of(len(standings.data_sets), "data set")
        return f"Nemenyi's test tells no two apart on {sets}; more data sets may."
    return f"Nemenyi's test tells apart: {', '.join(apart)}."


def write_standings(folder: Path, standings: Standings) -> list[Path]:
    """Write across.md, across.json and, where the ranks could be tested, the diagram as PNG and SVG."""
    values: dict[str, Any] = asdict(standings) | {"ranks": standings.ranks, "mean_ranks": standings.mean_ranks}
    plain = {name: value.tolist() if isinstance(value, np.ndarray) else value for name, value in values.items()}
    table = "\n".join(table_section(standings_table(standings))) + "\n"
    try:
        folder.mkdir(parents=True, exist_ok=True)
        replace_file(folder / "across.md", f"# {folder.name}\n\n{table}".encode())
        replace_file(folder / "across.json", json.dumps(plain, indent=1, ensure_ascii=False).encode() + b"\n")
        drawn = _draw(folder, standings) if standings.nemenyi is not None else []
    except OSError as error:
        raise BenchError(f"cannot write to {folder}: {error.strerror}") from error
    return [folder / "across.md", folder / "across.json", *drawn]


def _draw(folder: Path, standings: Standings) -> list[Path]:
    """Draw the critical-difference diagram (scikit-posthocs): a bar joins what Nemenyi's test does not tell apart."""
    import pandas as pd
    import scikit_posthocs
    from matplotlib.figure import Figure

    names = list(standings.classifiers)
    figure = Figure(figsize=(8, 1.2 + 0.3 * len(names)), layout="constrained")
    axes = figure.subplots()
    scikit_posthocs.critical_difference_diagram(
        pd.Series(standings.mean_ranks, index=names),
        pd.DataFrame(standings.nemenyi, index=names, columns=names),
        alpha=LEVEL,
        ax=axes,
    )
    sets = number_of(len(standings.data_sets), "data set")
    axes.set_title(f"Mean rank over {sets}; joined: not told apart (Nemenyi, 5 %)")
    files = [folder / f"{DIAGRAM}.{kind}" for kind in ("png", "svg")]
    for file in files:
        figure.savefig(file, dpi=150)
    return files
