"""Tables about robustness: accuracy under each perturbation and severity, and how often attacks succeed."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from bench.analysis.out_of_scope import Share
from bench.report.tables.table import Table, Topic
from bench.report.text import DASH, counted, label_text, share
from bench.robustness.perturbations import STRENGTHS
from bench.robustness.suites import Outcome, StressRecord, outcomes

WORST = 8
LONG = 90


def stress_tables(records: Mapping[str, Sequence[StressRecord]]) -> Iterator[Table]:
    """Yield the tables of all classifiers side by side: challenge, perturbed messages, attacks, the worst flips."""
    by_classifier = {name: outcomes(results) for name, results in records.items()}
    if any(outcome.suite == "challenge" for results in by_classifier.values() for outcome in results):
        yield _challenge(by_classifier)
    if any(outcome.suite == "spoiled" for results in by_classifier.values() for outcome in results):
        yield _spoiled(by_classifier)
    if any(outcome.suite == "injection" for results in by_classifier.values() for outcome in results):
        yield _attacks(by_classifier)
        yield _flips(records)


def _of(results: Sequence[Outcome], suite: str, form: str | None = None) -> list[Outcome]:
    return [outcome for outcome in results if outcome.suite == suite and form in (None, outcome.form)]


def _forms(by_classifier: Mapping[str, Sequence[Outcome]], suite: str) -> list[str]:
    return list(
        dict.fromkeys(
            outcome.form for results in by_classifier.values() for outcome in results if outcome.suite == suite
        )
    )


def _challenge(by_classifier: Mapping[str, Sequence[Outcome]]) -> Table:
    body = [("all", *(_sum(_of(results, "challenge")) for results in by_classifier.values()))]
    body += [
        (kind, *(_sum(_of(results, "challenge", kind)) for results in by_classifier.values()))
        for kind in _forms(by_classifier, "challenge")
    ]
    notes = ("messages written to confuse a classifier, never trained on; brackets are 95 % Wilson intervals.",)
    return Table(
        "Challenge: accuracy % by kind", ("kind", *by_classifier), tuple(body), notes=notes, topic=Topic.ROBUSTNESS
    )


def _sum(results: Sequence[Outcome]) -> str:
    return counted(Share(sum(outcome.right for outcome in results), sum(outcome.n for outcome in results)))


def _spoiled(by_classifier: Mapping[str, Sequence[Outcome]]) -> Table:
    """Return accuracy on the clean messages and at each severity."""
    body = []
    for form in _forms(by_classifier, "spoiled"):
        cells = []
        for results in by_classifier.values():
            by_strength = {outcome.strength: outcome for outcome in _of(results, "spoiled", form)}
            if set(by_strength) != set(STRENGTHS):  # broken off before it was asked
                cells.append(DASH)
                continue
            some, after = by_strength[STRENGTHS[0]], [by_strength[strength] for strength in STRENGTHS]
            cells.append(
                " → ".join([_short(some.clean_right, some.n), *(_short(outcome.right, outcome.n) for outcome in after)])
            )
        body.append((form, *cells))
    n = max(outcome.n for results in by_classifier.values() for outcome in results if outcome.suite == "spoiled")
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
    forms = _forms(by_classifier, "injection")
    flips = {
        form: sum(outcome.flipped for results in by_classifier.values() for outcome in _of(results, "injection", form))
        for form in forms
    }
    for form in sorted(forms, key=lambda form: -flips[form]):
        body.append((form, *(success(_of(results, "injection", form)) for results in by_classifier.values())))
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
            record.question.form,
            label_text(record.question.gold),
            record.question.target,
            _cut(record.question.text),
        )
        for name, results in records.items()
        for record in [r for r in results if r.is_flipped and r.question.clean][:WORST]
    ]
    head = ("classifier", "attack", "gold", "answer", "text")
    return Table("Flipped by an attack", head, tuple(body), can_turn=False, topic=Topic.ROBUSTNESS)


def _cut(text: str) -> str:
    line = " ⏎ ".join(text.splitlines())
    return line if len(line) <= LONG else "…" + line[-LONG:]
