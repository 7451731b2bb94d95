"""Tables for CI: how classifiers changed from one run to another, which messages flipped, which limits are kept."""

from __future__ import annotations

from collections.abc import Sequence

from bench.analysis.minimums import Minimum
from bench.analysis.run_diff import Change, Flip, RunDiff
from bench.records.types import RunRecord
from bench.report.tables.comparison import p_text
from bench.report.tables.table import Table
from bench.report.text import label_text, share, shortened, signed, with_interval
from classifiers.plurals import number_of

LONG = 100
FLIP_HEAD = ("classifier", "message", "text", "gold", "before", "after", "now")


def changes_table(old: RunRecord, new: RunRecord, diff: RunDiff) -> Table:
    """Return a line per classifier that both runs have."""
    head = ("classifier", "before %", "after %", "difference points", "95 % interval", "Holm p", "verdict")
    body = tuple(
        (
            change.classifier,
            share(change.old_accuracy),
            share(change.new_accuracy),
            f"{100 * change.pair.difference:+.1f}",
            signed(change.pair.interval),
            p_text(change.pair.holm_p_value),
            "worse" if change.is_regression else "better" if change.is_improvement else "unclear",
        )
        for change in diff.changes
    )
    notes = ["unclear: the difference may be chance."] if any(not _is_clear(change) for change in diff.changes) else []
    n = min(change.pair.n for change in diff.changes)
    notes += [f"n = {number_of(n, 'test message')} that both runs have."]
    if diff.is_by_id:
        notes += ["paired by id, because the records hold no texts; the runs have the same split."]
    notes += [f"{text}." for text in diff.stopped]
    if diff.only_old or diff.only_new:
        notes += [
            "left out, since the other run has none of the same text and gold labels: "
            f"{number_of(diff.only_old, 'test message')} of {old.name} and {diff.only_new} of {new.name}."
        ]
    notes += [f"the runs differ in {what}: what changed may be that." for what in _differences(old, new)]
    return Table(f"{new.name} against {old.name}", head, body, notes=tuple(notes))


def _is_clear(change: Change) -> bool:
    return change.is_regression or change.is_improvement


def _differences(old: RunRecord, new: RunRecord) -> list[str]:
    compared = {
        "data": (old.task_fingerprint, new.task_fingerprint),
        "split": (old.split_fingerprint, new.split_fingerprint),
        "processor": (old.machine.get("processor"), new.machine.get("processor")),
        "versions": (old.versions, new.versions),
    }
    return [name for name, (a, b) in compared.items() if a != b]


def flip_line(flip: Flip) -> tuple[str, ...]:
    """Return a message that flipped as texts, in the order of `FLIP_HEAD`."""
    answers = (label_text(labels) for labels in (flip.gold, flip.before, flip.after))
    return flip.classifier, flip.id, flip.text, *answers, "right" if flip.is_right else "wrong"


def flips_table(flips: Sequence[Flip], limit: int) -> Table:
    """Return the messages that were right in one run only, of each classifier those that are wrong now first.

    At most `limit` of them are shown; 0 shows all.
    """
    body = tuple(
        (name, id_, shortened(text, LONG), *rest) for name, id_, text, *rest in map(flip_line, flips[: limit or None])
    )
    n_right = sum(flip.is_right for flip in flips)
    note = f"{len(flips) - n_right} were right and are wrong now, {n_right} the other way round; {len(body)} shown."
    return Table("Messages that flipped", FLIP_HEAD, body, notes=(note,), can_turn=False)


def minimums_table(checked: Sequence[Minimum]) -> Table:
    """Return a line per classifier and limit."""
    head = ("classifier", "score", "at least %", "is %", "test messages", "limit")
    body = tuple(
        (
            minimum.classifier,
            minimum.metric,
            share(minimum.minimum),
            with_interval(minimum.value, minimum.interval),
            f"{minimum.n:,}",
            minimum.outcome,
        )
        for minimum in checked
    )
    notes = ["kept: the lower end of the 95 % interval reaches the limit."]
    if any(minimum.outcome == "not shown" for minimum in checked):
        notes.append("not shown: the figure reaches the limit, its interval does not; more test messages may show it.")
    return Table("Limits", head, body, notes=tuple(notes))
