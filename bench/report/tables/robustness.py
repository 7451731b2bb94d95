"""Tables about robustness: accuracy under each perturbation and severity, and how often attacks succeed."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from bench.analysis.out_of_scope import Share
from bench.report.tables.table import Table, Topic
from bench.report.text import DASH, counted, label_text, share
from bench.robustness.outcomes import Shares, StressFindings, WordingEffect
from bench.robustness.suites import StressRecord
from bench.robustness.wording import AS_CONFIGURED
from classifiers.plurals import number_of

WORST = 8
FLIPPED = "Flipped by an attack"
LONG = 90


def stress_tables(stressed: StressFindings) -> Iterator[Table]:
    """Yield the tables of all classifiers side by side, a suite after the other, and the worst flips."""
    if stressed.challenge:
        yield _challenge(stressed.challenge)
    if stressed.perturbed:
        yield _perturbed(stressed)
    if stressed.attacks:
        yield _attacks(stressed.attacks)
        yield _flips(stressed.flips)
    if stressed.wordings:
        yield _wordings(stressed.wordings)


def _by_kind(title: str, heading: str, by_kind: Mapping[str, Shares], note: str) -> Table:
    names = tuple(next(iter(by_kind.values())))
    body = tuple((kind, *(counted(shares[name]) for name in names)) for kind, shares in by_kind.items())
    return Table(title, (heading, *names), body, notes=(note,), topic=Topic.ROBUSTNESS)


def _challenge(by_kind: Mapping[str, Shares]) -> Table:
    note = "messages written to confuse a classifier, never trained on; brackets are 95 % Wilson intervals."
    return _by_kind("Challenge: accuracy % by kind", "kind", by_kind, note)


def _attacks(by_kind: Mapping[str, Shares]) -> Table:
    note = (
        "share of answers that become the attacker's label: lower is better; the most successful attack first; "
        "brackets are 95 % Wilson intervals."
    )
    return _by_kind("Prompt injection: attack success %", "attack", by_kind, note)


def _perturbed(stressed: StressFindings) -> Table:
    """Return accuracy on the clean messages and at each severity."""
    by_kind, n, widest = stressed.perturbed, stressed.n_perturbed, stressed.widest_interval
    names = tuple(next(iter(by_kind.values())))
    body = tuple((kind, *(" → ".join(map(_whole, at[name])) or DASH for name in names)) for kind, at in by_kind.items())
    width = share(widest.high - widest.low) if widest else DASH
    notes = (
        f"accuracy % on the {number_of(n, 'clean message')} → at severity 1 → 2 → 3; 95 % intervals are up to {width} "
        "points wide.",
    )
    title = "Perturbed messages: accuracy % by severity"
    return Table(title, ("perturbation", *names), body, notes=notes, can_turn=False, topic=Topic.ROBUSTNESS)


def _whole(part: Share) -> str:
    return DASH if part.value is None else f"{100 * part.value:.0f}"


def _flips(flips: Mapping[str, Sequence[StressRecord]]) -> Table:
    """Return examples of messages that were answered rightly and flipped under attack."""
    body = [
        (
            name,
            record.question.kind,
            label_text(record.question.gold),
            record.question.target,
            _cut(record.question.text),
        )
        for name, records in flips.items()
        for record in records[:WORST]
    ]
    head = ("classifier", "attack", "gold", "answer", "text")
    return Table(FLIPPED, head, tuple(body), can_turn=False, topic=Topic.ROBUSTNESS)


def _wordings(effects: Mapping[str, WordingEffect]) -> Table:
    """Return what other wordings of the task do to accuracy and answers."""

    def cell(effect: WordingEffect, name: str) -> str:
        for wording in effect.wordings:
            if wording.name == name:
                right = share(wording.accuracy)
                return right if name == AS_CONFIGURED else f"{right}, {share(wording.changed_share)} changed"
        return DASH

    names = dict.fromkeys(wording.name for effect in effects.values() for wording in effect.wordings)
    body = [
        ("lowest to highest", *(" to ".join(map(share, effect.accuracies)) for effect in effects.values())),
        ("more than one answer", *(counted(effect.with_several_answers) for effect in effects.values())),
        *((name, *(cell(effect, name) for effect in effects.values())) for name in names),
    ]
    n = max(effect.n for effect in effects.values())
    notes = (
        f"accuracy % on the same {number_of(n, 'test message')}, and the share of answers that are others than as "
        "configured. Nothing is chosen on this. Brackets are 95 % Wilson intervals.",
    )
    title = "Wording: accuracy % and changed answers"
    return Table(title, ("wording", *effects), tuple(body), notes=notes, can_turn=False, topic=Topic.ROBUSTNESS)


def _cut(text: str) -> str:
    line = " ⏎ ".join(text.splitlines())
    return line if len(line) <= LONG else "…" + line[-LONG:]
