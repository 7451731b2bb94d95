"""Tables that set classifiers against each other: paired tests, slices, and labels they all contradict."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from bench.analysis.compare import Pair, Suspect
from bench.analysis.out_of_scope import Rejection
from bench.analysis.rows import Row
from bench.analysis.slices import Slice
from bench.report.tables.table import Table, Topic
from bench.report.text import DASH, counted, label_text, shortened, signed, with_interval
from classifiers.plurals import number_of


def slice_table(division: Slice) -> Table:
    """Return accuracy by the values of one property."""
    names = list(division.parts[0].accuracy)
    body = tuple(
        (part.value or DASH, str(part.n), *(with_interval(*part.accuracy[name]) for name in names))
        for part in division.parts
    )
    head = (division.name, "messages", *names)
    notes = ("brackets are 95 % Wilson intervals.",)
    return Table(f"Accuracy % by {division.name}", head, body, notes=notes, topic=Topic.LABELS)


def rejection_table(by_name: Mapping[str, Rejection], other: str) -> Table:
    """Return accuracy on in-scope messages, and recall and precision at rejecting out-of-scope ones."""
    body = tuple((name, *map(counted, (r.in_scope_accuracy, r.recall, r.precision))) for name, r in by_name.items())
    n = max((r.recall.n for r in by_name.values()), default=0)
    meaning = "recall: the share of them that is rejected; precision: their share of all rejected messages."
    note = f"out-of-scope ('{other}'): {number_of(n, 'test message')}; {meaning} Brackets are 95 % Wilson intervals."
    head = ("classifier", "in-scope accuracy %", "rejection recall %", "rejection precision %")
    return Table(f"Out-of-scope messages ({other})", head, body, notes=(note,), is_main=True)


MAX_SUSPECTS = 10


def suspects_table(suspects: Sequence[Suspect]) -> Table:
    """Return the test messages whose label is to be checked first."""
    body = tuple(
        (
            suspect.id,
            shortened(suspect.text, LONG),
            label_text(suspect.gold),
            label_text(suspect.answer),
            f"{suspect.n_agreeing} of {suspect.n_classifiers}",
        )
        for suspect in suspects[:MAX_SUSPECTS]
    )
    head = ("message", "text", "gold", "answer", "agree")
    messages = number_of(len(suspects), "test message")
    note = f"{messages} on which classifiers agree on another label than the gold one, which none of them gives."
    note += " bench disagreements --mark ID LABEL, or the buttons on the page, note what is wrong."
    return Table("Check these labels first", head, body, notes=(note,), can_turn=False, topic=Topic.DIFFERENCES)


LONG = 80
MAX_PAIRS = 15


def shown_pairs(rows: Sequence[Row], pairs: Sequence[Pair]) -> tuple[Sequence[Pair], tuple[str, ...]]:
    """Return all pairs, or where those are too many to read the ones with the most accurate classifier."""
    if len(pairs) <= MAX_PAIRS:
        return pairs, ()
    best = max((row for row in rows if row.scores), key=lambda row: row.scores.accuracy if row.scores else 0.0)
    name = best.name
    shown = [pair for pair in pairs if name in (pair.first, pair.second)]
    return shown, (f"pairs with {name}, the most accurate; all {len(pairs)} pairs are in scores.json.",)


def pairs_table(pairs: Sequence[Pair], notes: tuple[str, ...]) -> Table:
    """Return the paired tests."""
    head = ("pair", "difference", "95 % interval", "McNemar p", "Holm p", "only 1st / 2nd right", "n needed")
    body = tuple(
        (
            f"{pair.first} − {pair.second}",
            f"{100 * pair.difference:+.1f}",
            signed(pair.interval),
            p_text(pair.p_value),
            p_text(pair.holm_p_value),
            f"{pair.only_first_right} / {pair.only_second_right}",
            f"{pair.needed_n:,}" if pair.needed_n else DASH,
        )
        for pair in pairs
    )
    n = max(pair.n for pair in pairs)
    notes += (
        f"n needed: test messages that would tell the two apart at 80 % power, if they differ as here; there are {n}. "
        "Intervals are score intervals (Tango 1998). Holm p and n needed: corrected for the comparisons with the most "
        "accurate row, which are the ones the verdict uses.",
    )
    if any(pair.design_effect for pair in pairs):
        notes += ("Messages come in groups: McNemar p is that of the intervals' score test, which counts with them.",)
    title = "Differences in accuracy (points, paired on the same messages)"
    return Table(title, head, body, notes=notes, topic=Topic.DIFFERENCES)


def p_text(p_value: float) -> str:
    """Return a p-value as people read it."""
    return f"{p_value:.2g}" if p_value >= 1e-4 else "< 0.0001"
