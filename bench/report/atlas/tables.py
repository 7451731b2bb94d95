"""The tables of the atlas."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from bench.analysis.atlas.claims import place_text
from bench.analysis.atlas.crossings import SetCrossing
from bench.analysis.atlas.overview import FEW, Overview, Price, Standing, standing
from bench.analysis.atlas.points import cells_at
from bench.analysis.atlas.published import Beside
from bench.records.atlas import AtlasCell, AtlasScores
from bench.records.conditions import decision_text
from bench.report.tables.table import Table, Topic
from bench.report.text import DASH, number, share, with_interval

Prices = Sequence[tuple[Price | None, Price | None]]
NOT_ALONE = "*"


def best_table(overviews: Sequence[Overview], floor: str) -> Table:
    """Return the best rows of each data set by how many labels there are."""
    head = ("data set", "labels", "test", "majority", "no labels", f"{FEW} per label", "all labels")
    body = tuple(
        (
            view.scores.data_set,
            str(view.scores.n_labels),
            f"{len(view.scores.ids):,}",
            share(view.floor.accuracy) if view.floor else DASH,
            *map(_best_text, (view.without, view.with_few, view.with_all)),
        )
        for view in overviews
    )
    notes = (
        "accuracy in % of the most accurate row, with its 95 % interval: over messages (Wilson), and over seeds and "
        "messages where there are several seeds. The best of several rows looks a little better than it is.",
        floor,
    )
    return Table("Best row by number of labels", head, body, notes=tuple(filter(None, notes)), topic=Topic.SUMMARY)


def floor_note(scores: Sequence[AtlasScores]) -> str:
    """Say which figures rest on a part of the test messages; nothing where none does."""
    stopped = dict.fromkeys(cell.row for one_set in scores for cell in one_set.cells if not cell.is_complete)
    if not stopped:
        return ""
    return f"stopped early on some data sets, so their figures are of fewer test messages: {', '.join(stopped)}."


def _best_text(best: Standing | None) -> str:
    return DASH if best is None else f"{best.row} {with_interval(best.accuracy, best.interval)}"


def crossing_table(crossed: Sequence[SetCrossing]) -> Table:
    """Return a line per data set and a column per learner: examples per label at which it passes the LLM."""
    learners = list(dict.fromkeys(place.crossing.learner for place in crossed))
    by_set: dict[str, dict[str, SetCrossing]] = {}
    for place in crossed:
        by_set.setdefault(place.data_set, {})[place.crossing.learner] = place
    head = ("data set", "labels", "LLM", "LLM accuracy", "n", *learners)
    body = tuple(
        (
            data_set,
            str((first := next(iter(places.values()))).n_labels),
            first.crossing.rival,
            share(first.crossing.rival_accuracy),
            f"{first.n:,}",
            *(place_text(places[row]) if row in places else DASH for row in learners),
        )
        for data_set, places in by_set.items()
    )
    notes = (
        "examples per label at which a row passes the best LLM without labels, with a 95 % interval; n: test messages "
        "that both answered.",
        "1: ahead from one example per label on. >: not with the sizes that were run.",
    )
    return Table("Where rows pass the LLM", head, body, notes=notes, topic=Topic.CURVE, can_turn=False)


def price_tables(scores: Sequence[AtlasScores], paired: Prices) -> Iterator[Table]:
    """Yield seconds and money per million messages, a table per machine: times of two machines stand in no table."""
    for machine in dict.fromkeys(price.machine for pair in paired for price in pair if price):
        lines = [
            (one_set, _on(machine, encoder), _on(machine, llm))
            for one_set, (encoder, llm) in zip(scores, paired, strict=True)
        ]
        yield _price_table(machine, [line for line in lines if line[1] or line[2]])


def _on(machine: str, price: Price | None) -> Price | None:
    """Return a price that was measured on a machine, None for another."""
    return price if price and price.machine == machine else None


def _price_table(machine: str, lines: Sequence[tuple[AtlasScores, Price | None, Price | None]]) -> Table:
    """Return what the fine-tuned encoder and the best LLM take on one machine."""
    currency = lines[0][0].currency
    head = ("data set", "encoder", "seconds", currency, "LLM", "seconds", currency, "ratio")
    body = tuple(
        (one_set.data_set, *_price_cells(encoder), *_price_cells(llm), _ratio(encoder, llm))
        for one_set, encoder, llm in lines
    )
    rates = dict.fromkeys(f"{one_set.machine_per_hour:g} {one_set.currency}" for one_set, *_ in lines)
    notes = (
        f"answering alone, in batches, on {machine or 'a machine that is not named'}.",
        f"money: an assumed {' or '.join(rates)} per machine hour; take your own price times the seconds.",
    )
    return Table("What a million messages take", head, body, notes=notes, topic=Topic.COST, can_turn=False)


def _price_cells(price: Price | None) -> tuple[str, str, str]:
    return (DASH, DASH, DASH) if price is None else (price.row, number(price.seconds), number(price.money))


def _ratio(encoder: Price | None, llm: Price | None) -> str:
    if encoder is None or llm is None:
        return DASH
    return f"{number(llm.seconds / encoder.seconds)} times"


def published_table(beside: Sequence[Beside]) -> Table:
    """Return published accuracies beside ours."""
    head = ("data set", "published", "accuracy %", "ours", "our accuracy %", "verdict", "source")
    body = tuple(
        (
            line.data_set,
            line.published.what,
            f"{line.published.accuracy:.1f}",
            DASH if line.ours is None else _ours(line, line.ours),
            DASH if line.ours is None else with_interval(line.ours.accuracy, line.ours.interval),
            line.verdict,
            line.published.source,
        )
        for line in beside
    )
    notes = (
        "ours: the most accurate row of the same kind, on a sample of the official test part; below where the upper "
        "end of our 95 % interval is.",
    )
    return Table("Beside published figures", head, body, notes=notes, topic=Topic.QUALITY, can_turn=False)


def _ours(line: Beside, ours: Standing) -> str:
    return f"{ours.row}, {line.size} per label" if line.size else ours.row


def stopping_table(scores: Sequence[AtlasScores]) -> Table:
    """Return a line per prompted row and data set: how many messages it answered, why no more, and the time."""
    head = ("data set", "labels", "row", "answered", "of", "share %", "how it stands", "took s", "all would take s")
    asked = [(one_set, cell) for one_set in scores for cell in one_set.cells if cell.is_prompted]
    body = tuple(
        (
            one_set.data_set,
            str(one_set.n_labels),
            cell.row if cell.is_timed else f"{cell.row} {NOT_ALONE}",
            f"{cell.n:,}",
            f"{len(one_set.ids):,}",
            share(cell.n / len(one_set.ids)),
            _stands(cell),
            *(_seconds(cell, n) for n in (cell.n, len(one_set.ids))),
        )
        for one_set, cell in asked
    )
    notes = [
        "answered: test messages until it was decided how the row stands to the best fast one; all would take: the "
        "whole test part at the same rate."
    ]
    if any(not cell.is_timed for _, cell in asked):
        notes.append(f"{NOT_ALONE} did not have the machine to itself.")
    return Table("How soon slow rows stop", head, body, notes=tuple(notes), topic=Topic.COST, can_turn=False)


def _stands(cell: AtlasCell) -> str:
    """Say why a row answered no more messages."""
    if cell.is_complete:
        return "all answered"
    return decision_text(cell.decision, cell.rival) if cell.decision else "decided"


def _seconds(cell: AtlasCell, n: int) -> str:
    """Return the seconds that n messages take at a cell's rate."""
    return number(n / cell.messages_per_second if cell.messages_per_second else None)


def rows_table(scores: AtlasScores) -> Table:
    """Return every row on one data set, without labels, with a few per label and with all: a line per row and size."""
    by_size = [cells_at(scores, size) for size in (FEW, None)]
    rows = dict.fromkeys(cell.row for cell in scores.cells)
    lines = [at[row] for row in rows for at in by_size if row in at]
    body = tuple(_row_line(scores, cells) for cells in lines)
    notes = (
        "accuracy in %, with its 95 % interval, over seeds and messages where there are several seeds; n: test "
        "messages that were answered; messages per second in batches, a dash where the row did not have the machine to "
        "itself.",
    )
    head = ("row", "labels used", "accuracy %", "n", "messages /s")
    return Table(f"{scores.data_set}, {scores.n_labels} labels", head, body, notes=notes, can_turn=False)


def _row_line(scores: AtlasScores, cells: Sequence[AtlasCell]) -> tuple[str, ...]:
    mean, first = standing(cells, scores), cells[0]
    labels = DASH if first.n_labelled is None else f"{first.n_labelled:,}"
    rate = number(first.messages_per_second if first.is_timed else None)
    return mean.row, labels, with_interval(mean.accuracy, mean.interval), f"{mean.n:,}", rate


def data_table(scores: Sequence[AtlasScores]) -> Table:
    """Return what each data set is."""
    head = ("data set", "labels", "train", "validation", "test", "LLMs read it", "cells", "missing", "split")
    body = tuple(
        (
            one_set.data_set,
            str(one_set.n_labels),
            *(f"{one_set.part_sizes.get(part, 0):,}" for part in ("train", "validation", "test")),
            {True: "probably", False: "no", None: DASH}[one_set.seen_by_llms],
            str(len(one_set.cells)),
            str(len(one_set.missing)),
            one_set.split,
        )
        for one_set in scores
    )
    return Table("Data sets", head, body, topic=Topic.SUMMARY, can_turn=False)
