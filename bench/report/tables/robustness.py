"""Tables about robustness: accuracy under each perturbation and severity, and how often attacks succeed."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from bench.analysis.out_of_scope import Share
from bench.report.tables.table import Table, Topic
from bench.report.text import DASH, counted, label_text, share
from bench.robustness.perturbations import SEVERITIES
from bench.robustness.suites import Outcome, StressRecord, WordingEffect, outcomes, wording_effect
from bench.robustness.wording import AS_CONFIGURED

WORST = 8
LONG = 90


def stress_tables(records: Mapping[str, Sequence[StressRecord]]) -> Iterator[Table]:
    """Yield the tables of all classifiers side by side, a suite after the other, and the worst flips."""
    by_classifier = {name: outcomes(results) for name, results in records.items()}
    if any(outcome.suite == "challenge" for results in by_classifier.values() for outcome in results):
        yield _challenge(by_classifier)
    if any(outcome.suite == "perturbed" for results in by_classifier.values() for outcome in results):
        yield _perturbed(by_classifier)
    if any(outcome.suite == "injection" for results in by_classifier.values() for outcome in results):
        yield _attacks(by_classifier)
        yield _flips(records)
    effects = {name: effect for name, results in records.items() if (effect := wording_effect(results))}
    if effects:
        yield _wordings(effects)


def _of(results: Sequence[Outcome], suite: str, kind: str | None = None) -> list[Outcome]:
    return [outcome for outcome in results if outcome.suite == suite and kind in (None, outcome.kind)]


def _kinds(by_classifier: Mapping[str, Sequence[Outcome]], suite: str) -> list[str]:
    return list(
        dict.fromkeys(
            outcome.kind for results in by_classifier.values() for outcome in results if outcome.suite == suite
        )
    )


def _challenge(by_classifier: Mapping[str, Sequence[Outcome]]) -> Table:
    body = [("all", *(_sum(_of(results, "challenge")) for results in by_classifier.values()))]
    body += [
        (kind, *(_sum(_of(results, "challenge", kind)) for results in by_classifier.values()))
        for kind in _kinds(by_classifier, "challenge")
    ]
    notes = ("messages written to confuse a classifier, never trained on; brackets are 95 % Wilson intervals.",)
    return Table(
        "Challenge: accuracy % by kind", ("kind", *by_classifier), tuple(body), notes=notes, topic=Topic.ROBUSTNESS
    )


def _sum(results: Sequence[Outcome]) -> str:
    return counted(Share(sum(outcome.right for outcome in results), sum(outcome.n for outcome in results)))


def _perturbed(by_classifier: Mapping[str, Sequence[Outcome]]) -> Table:
    """Return accuracy on the clean messages and at each severity."""
    body = []
    for kind in _kinds(by_classifier, "perturbed"):
        cells = []
        for results in by_classifier.values():
            by_severity = {outcome.severity: outcome for outcome in _of(results, "perturbed", kind)}
            if set(by_severity) != set(SEVERITIES):  # broken off before it was asked
                cells.append(DASH)
                continue
            some, after = by_severity[SEVERITIES[0]], [by_severity[severity] for severity in SEVERITIES]
            cells.append(
                " → ".join([_short(some.clean_right, some.n), *(_short(outcome.right, outcome.n) for outcome in after)])
            )
        body.append((kind, *cells))
    n = max(outcome.n for results in by_classifier.values() for outcome in results if outcome.suite == "perturbed")
    widest = Share(n // 2, n).interval
    width = share(widest.high - widest.low) if widest else DASH
    notes = (
        f"accuracy % on the {n} clean messages → at severity 1 → 2 → 3; 95 % intervals are up to {width} points wide.",
    )
    title = "Perturbed messages: accuracy % by severity"
    return Table(
        title, ("perturbation", *by_classifier), tuple(body), notes=notes, can_turn=False, topic=Topic.ROBUSTNESS
    )


def _short(right: int, n: int) -> str:
    return f"{100 * right / n:.0f}"


def _attacks(by_classifier: Mapping[str, Sequence[Outcome]]) -> Table:
    def success(results: Sequence[Outcome]) -> str:
        return counted(Share(sum(outcome.flipped for outcome in results), sum(outcome.n for outcome in results)))

    body = [("all", *(success(_of(results, "injection")) for results in by_classifier.values()))]
    kinds = _kinds(by_classifier, "injection")
    flips = {
        kind: sum(outcome.flipped for results in by_classifier.values() for outcome in _of(results, "injection", kind))
        for kind in kinds
    }
    for kind in sorted(kinds, key=lambda kind: -flips[kind]):
        body.append((kind, *(success(_of(results, "injection", kind)) for results in by_classifier.values())))
    notes = (
        "share of answers that become the attacker's label: lower is better; the most successful attack first; "
        "brackets are 95 % Wilson intervals.",
    )
    title = "Prompt injection: attack success %"
    return Table(title, ("attack", *by_classifier), tuple(body), notes=notes, topic=Topic.ROBUSTNESS)


def _flips(records: Mapping[str, Sequence[StressRecord]]) -> Table:
    """Return examples of messages that were answered rightly and flipped under attack."""
    body = [
        (
            name,
            record.question.kind,
            label_text(record.question.gold),
            record.question.target,
            _cut(record.question.text),
        )
        for name, results in records.items()
        for record in [r for r in results if r.is_flipped and r.question.clean][:WORST]
    ]
    head = ("classifier", "attack", "gold", "answer", "text")
    return Table("Flipped by an attack", head, tuple(body), can_turn=False, topic=Topic.ROBUSTNESS)


def _wordings(effects: Mapping[str, WordingEffect]) -> Table:
    """Return what other wordings of the task do to accuracy and answers."""

    def cell(effect: WordingEffect, name: str) -> str:
        for wording in effect.wordings:
            if wording.name == name:
                right = share(wording.right / wording.n)
                return right if name == AS_CONFIGURED else f"{right}, {share(wording.changed / wording.n)} changed"
        return DASH

    names = dict.fromkeys(wording.name for effect in effects.values() for wording in effect.wordings)
    body = [
        ("lowest to highest", *(" to ".join(map(share, effect.accuracies)) for effect in effects.values())),
        ("more than one answer", *(counted(Share(effect.flipped, effect.n)) for effect in effects.values())),
        *((name, *(cell(effect, name) for effect in effects.values())) for name in names),
    ]
    n = max(effect.n for effect in effects.values())
    notes = (
        f"accuracy % on the same {n} test messages, and the share of answers that are others than as configured. "
        "Nothing is chosen on this. Brackets are 95 % Wilson intervals.",
    )
    title = "Wording: accuracy % and changed answers"
    return Table(title, ("wording", *effects), tuple(body), notes=notes, can_turn=False, topic=Topic.ROBUSTNESS)


def _cut(text: str) -> str:
    line = " ⏎ ".join(text.splitlines())
    return line if len(line) <= LONG else "…" + line[-LONG:]
