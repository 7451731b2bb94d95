"""How gently classifiers break: what their answers under stress add up to, one beside the other."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass

from bench.analysis.label_scores import Interval
from bench.analysis.out_of_scope import Share
from bench.robustness.perturbations import SEVERITIES
from bench.robustness.suites import StressRecord
from bench.robustness.wording import AS_CONFIGURED

ALL = "all"
"""Stands for the kinds of a suite together."""
Shares = Mapping[str, Share]
"""A share per classifier."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """What came of one kind at one severity: of n questions, how many were right and how many flipped."""

    suite: str
    kind: str
    severity: int
    n: int
    right: int
    flipped: int
    clean_right: int


def outcomes(records: Sequence[StressRecord]) -> list[Outcome]:
    """Add up a classifier's records by suite, kind and severity, in the order they came."""
    groups: dict[tuple[str, str, int], list[StressRecord]] = {}
    for record in records:
        question = record.question
        groups.setdefault((question.suite, question.kind, question.severity), []).append(record)
    return [
        Outcome(
            *key,
            n=len(group),
            right=sum(record.is_right for record in group),
            flipped=sum(record.is_flipped for record in group),
            clean_right=sum(bool(record.question.clean) for record in group),
        )
        for key, group in groups.items()
    ]


@dataclass(frozen=True, slots=True)
class WordingOutcome:
    """What came of one wording: of n messages, how many were right and how many answered unlike as configured."""

    name: str
    n: int
    right: int
    changed: int

    @property
    def accuracy(self) -> float:
        """Return the share right."""
        return self.right / self.n

    @property
    def changed_share(self) -> float:
        """Return the share of answers that are others than as configured."""
        return self.changed / self.n


@dataclass(frozen=True, slots=True)
class WordingEffect:
    """What wording does to a classifier: every wording, as configured first, and messages with more than one answer."""

    wordings: tuple[WordingOutcome, ...]
    n: int
    flipped: int

    @property
    def with_several_answers(self) -> Share:
        """Return the share of messages that got more than one answer."""
        return Share(self.flipped, self.n)

    @property
    def accuracies(self) -> tuple[float, float]:
        """Return the lowest and the highest share right."""
        shares = [wording.accuracy for wording in self.wordings]
        return min(shares), max(shares)


def wording_effect(records: Iterable[StressRecord]) -> WordingEffect | None:
    """Return what wording does, or None where it was not asked; an answer that is none counts as one more answer."""
    answers: dict[str, dict[str, StressRecord]] = {}
    for record in records:
        if record.question.suite == "wording":
            answers.setdefault(record.question.kind, {})[record.question.id] = record
    if not answers:
        return None
    plain = {id_: set(record.predicted) for id_, record in answers[AS_CONFIGURED].items()}

    def changed(by_id: Mapping[str, StressRecord]) -> set[str]:
        return {id_ for id_, record in by_id.items() if set(record.predicted) != plain[id_]}

    by_wording = tuple(
        WordingOutcome(name, len(by_id), sum(r.is_right for r in by_id.values()), len(changed(by_id)))
        for name, by_id in answers.items()
    )
    return WordingEffect(by_wording, len(plain), len(set().union(*map(changed, answers.values()))))


@dataclass(frozen=True, slots=True)
class StressFindings:
    """What all classifiers' answers under stress add up to, by kind and then by classifier.

    `challenge` holds shares right and `attacks` shares that became the attacker's label; both begin with all kinds
    together, and the most successful attack follows. `perturbed` holds accuracies on the clean messages and at each
    severity, none where a classifier was not asked to the end, of at most `n_perturbed` messages.
    """

    challenge: Mapping[str, Shares]
    attacks: Mapping[str, Shares]
    perturbed: Mapping[str, Mapping[str, tuple[Share, ...]]]
    n_perturbed: int
    flips: Mapping[str, Sequence[StressRecord]]
    wordings: Mapping[str, WordingEffect]

    @property
    def widest_interval(self) -> Interval | None:
        """Return the interval of an accuracy of one half on the perturbed messages; all others are narrower."""
        return Share(self.n_perturbed // 2, self.n_perturbed).interval


def stress_findings(records: Mapping[str, Sequence[StressRecord]]) -> StressFindings:
    """Add up the answers of every classifier; what was not asked is empty."""
    by_classifier = {name: outcomes(answers) for name, answers in records.items()}
    attacks = _shares(by_classifier, "injection", lambda outcome: outcome.flipped)
    perturbed = [o for results in by_classifier.values() for o in results if o.suite == "perturbed"]
    return StressFindings(
        challenge=_shares(by_classifier, "challenge", lambda outcome: outcome.right),
        attacks=dict(sorted(attacks.items(), key=lambda kind: (kind[0] != ALL, -_counted(kind[1])))),
        perturbed={kind: _by_severity(by_classifier, kind) for kind in dict.fromkeys(o.kind for o in perturbed)},
        n_perturbed=max((outcome.n for outcome in perturbed), default=0),
        flips={name: [r for r in answers if r.is_flipped and r.question.clean] for name, answers in records.items()},
        wordings={name: effect for name, answers in records.items() if (effect := wording_effect(answers))},
    )


def _shares(
    by_classifier: Mapping[str, Sequence[Outcome]], suite: str, counted: Callable[[Outcome], int]
) -> dict[str, Shares]:
    """Return what is counted of a suite, over all kinds and of each; empty where nobody was asked it."""
    asked = {name: [o for o in results if o.suite == suite] for name, results in by_classifier.items()}
    kinds = dict.fromkeys(outcome.kind for results in asked.values() for outcome in results)
    groups = {ALL: asked} if kinds else {}
    for kind in kinds:
        groups[kind] = {name: [o for o in results if o.kind == kind] for name, results in asked.items()}
    return {
        kind: {name: Share(sum(map(counted, results)), sum(o.n for o in results)) for name, results in group.items()}
        for kind, group in groups.items()
    }


def _counted(shares: Shares) -> int:
    return sum(share.right for share in shares.values())


def _by_severity(by_classifier: Mapping[str, Sequence[Outcome]], kind: str) -> dict[str, tuple[Share, ...]]:
    """Return each classifier's accuracy on the clean messages and at each severity; none where one was not asked."""
    found: dict[str, tuple[Share, ...]] = {}
    for name, results in by_classifier.items():
        at = {outcome.severity: outcome for outcome in results if (outcome.suite, outcome.kind) == ("perturbed", kind)}
        if set(at) != set(SEVERITIES):  # broken off before it was asked
            found[name] = ()
            continue
        clean = at[SEVERITIES[0]]
        after = (Share(at[severity].right, at[severity].n) for severity in SEVERITIES)
        found[name] = (Share(clean.clean_right, clean.n), *after)
    return found
