"""Which times may stand in one table: those of cells that had one and the same machine to themselves."""

from __future__ import annotations

import pytest
from samples import hits, run_record, with_cell

from bench.analysis.rows import Row
from bench.analysis.timing import timing


def on(row: Row, **machine: str | int) -> Row:
    return with_cell(row, machine=machine)


def test_cells_of_one_machine_are_compared() -> None:
    rows = [on(hits(name, [True]), processor="Z80", cores=2, threads=2, memory_bytes=i) for i, name in enumerate("xy")]
    assert timing(run_record(), rows).is_comparable, "what memory the system leaves differs from start to start"
    assert timing(run_record(), rows).machines == {"Z80, 2 cores, 2 threads": ("x", "y")}
    assert timing(run_record(), rows).reason == ""


def test_a_record_without_a_machine_is_of_the_runs() -> None:
    old, new = hits("old", [True]), on(hits("new", [True]), processor="Z80", cores=2, threads=2)
    assert timing(run_record(), [old, new]).is_comparable


@pytest.mark.parametrize(
    ("run", "reason"),
    [
        (run_record(jobs=2), "2 classifiers ran at a time: their times are left out"),
        (
            run_record(executor="ray"),
            "cells ran on a cluster (ray), where they share machines: their times are left out",
        ),
    ],
    ids=["jobs", "ray"],
)
def test_shared_machines_are_not_timed(run: object, reason: str) -> None:
    found = timing(run, [hits("x", [True])])  # type: ignore[arg-type]
    assert (found.is_comparable, found.reason) == (False, reason)


def test_two_machines_are_named_and_not_compared() -> None:
    rows = [hits("x", [True]), on(hits("y", [True]), processor="M1", cores=8, threads=8)]
    found = timing(run_record(), rows)
    assert found.machines == {"Z80, 2 cores, 2 threads": ("x",), "M1, 8 cores, 8 threads": ("y",)}
    assert (found.is_comparable, found.shared) == (False, "")
    assert found.reason == "rows ran on 2 machines: their times are not compared"
