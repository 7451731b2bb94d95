"""Tables about robustness: accuracy under each perturbation and severity, and how often attacks succeed."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from bench.analysis.scores import wilson_interval
from bench.report.tables.table import Table, Topic
from bench.report.text import DASH, label_text, share, with_interval
from bench.robustness.perturbations import STRENGTHS
from bench.robustness.suites import Outcome, StressRecord, outcomes

WORST = 8
LONG = 90


def stress_tables(records: Mapping[str, Sequence[StressRecord]]) -> Iterator[Table]:
    """Yield the tables of all classifiers side by side: challenge, perturbed messages, attacks, the worst flips."""
    found = {name: outcomes(own) for name, own in records.items()}
    if any(one.suite == "challenge" for own in found.values() for one in own):
        yield _challenge(found)
    if any(one.suite == "spoiled" for own in found.values() for one in own):
        yield _spoiled(found)
    if any(one.suite == "injection" for own in found.values() for one in own):
        yield _attacks(found)
        yield _flips(records)


def _accuracy(right: int, n: int) -> str:
    if not n:
        return DASH
    return with_interval(right / n, wilson_interval(right, n))


def _of(own: Sequence[Outcome], suite: str, form: str | None = None) -> list[Outcome]:
    return [one for one in own if one.suite == suite and form in (None, one.form)]


def _forms(found: Mapping[str, Sequence[Outcome]], suite: str) -> list[str]:
    return list(dict.fromkeys(one.form for own in found.values() for one in own if one.suite == suite))


def _challenge(found: Mapping[str, Sequence[Outcome]]) -> Table:
    body = [("all", *(_sum(_of(own, "challenge")) for own in found.values()))]
    body += [
        (kind, *(_sum(_of(own, "challenge", kind)) for own in found.values())) for kind in _forms(found, "challenge")
    ]
    notes = ("messages written to confuse a classifier, never trained on; brackets are 95 % Wilson intervals.",)
    return Table("Challenge: accuracy % by kind", ("kind", *found), tuple(body), notes=notes, topic=Topic.ROBUSTNESS)


def _sum(own: Sequence[Outcome]) -> str:
    return _accuracy(sum(one.right for one in own), sum(one.n for one in own))


def _spoiled(found: Mapping[str, Sequence[Outcome]]) -> Table:
    """Return accuracy on the clean messages and at each severity."""
    body = []
    for form in _forms(found, "spoiled"):
        cells = []
        for own in found.values():
            by_strength = {one.strength: one for one in _of(own, "spoiled", form)}
            if set(by_strength) != set(STRENGTHS):  # broken off before it was asked
                cells.append(DASH)
                continue
            some, after = by_strength[STRENGTHS[0]], [by_strength[strength] for strength in STRENGTHS]
            cells.append(" → ".join([_short(some.clean_right, some.n), *(_short(one.right, one.n) for one in after)]))
        body.append((form, *cells))
    n = max(one.n for own in found.values() for one in own if one.suite == "spoiled")
    widest = wilson_interval(n // 2, n)
    notes = (
        f"accuracy % on the {n} clean messages → at severity 1 → 2 → 3; 95 % intervals are up to "
        f"{share(widest.high - widest.low)} points wide.",
    )
    title = "Perturbed messages: accuracy % by severity"
    return Table(title, ("perturbation", *found), tuple(body), notes=notes, can_turn=False, topic=Topic.ROBUSTNESS)


def _short(right: int, n: int) -> str:
    return f"{100 * right / n:.0f}"


def _attacks(found: Mapping[str, Sequence[Outcome]]) -> Table:
    def success(own: Sequence[Outcome]) -> str:
        return _accuracy(sum(one.flipped for one in own), sum(one.n for one in own))

    body = [("all", *(success(_of(own, "injection")) for own in found.values()))]
    forms = _forms(found, "injection")
    flips = {form: sum(one.flipped for own in found.values() for one in _of(own, "injection", form)) for form in forms}
    for form in sorted(forms, key=lambda form: -flips[form]):
        body.append((form, *(success(_of(own, "injection", form)) for own in found.values())))
    notes = (
        "share of answers that become the attacker's label: lower is better; the most successful attack first; "
        "brackets are 95 % Wilson intervals.",
    )
    title = "Prompt injection: attack success %"
    return Table(title, ("attack", *found), tuple(body), notes=notes, topic=Topic.ROBUSTNESS)


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
        for name, own in records.items()
        for record in [r for r in own if r.is_flipped and r.question.clean][:WORST]
    ]
    head = ("classifier", "attack", "gold", "answer", "text")
    return Table("Flipped by an attack", head, tuple(body), can_turn=False, topic=Topic.ROBUSTNESS)


def _cut(text: str) -> str:
    line = " ⏎ ".join(text.splitlines())
    return line if len(line) <= LONG else "…" + line[-LONG:]
