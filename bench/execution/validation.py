"""Which validation messages a row answers: those by which something is chosen or shown, and no others.

An LLM that takes 0.8 s per message would spend minutes on answers that nobody reads. Thresholds, calibration and
coverage need answers with probabilities. Of a row without probabilities only a cascade reads them, and a cascade with a
budget only those of the messages that it may pass on.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

from bench.config.run import RunConfig
from bench.execution.cell import Cell
from bench.execution.stop_budget import answers_fast
from bench.records.store import RunFolder
from bench.records.types import PredictionRecord
from classifiers.interface import Message
from classifiers.sampling import stratified_sample

SLOW_MESSAGES = 100
"""What a row with probabilities answers that takes longer than a twentieth of a second per message."""


def asked_messages(cell: Cell, answered: Sequence[PredictionRecord]) -> list[Message]:
    """Return the validation messages that a cell answers, by what its answers to the test messages were."""
    sample = stratified_sample(cell.messages("validation"), cell.config.validation_messages, cell.config.seed)
    if _have_probabilities(answered):
        # the beginning of a sample is a smaller one
        return sample if answers_fast(answered) else sample[:SLOW_MESSAGES]
    return passed_on_messages(cell.run, cell.config, cell.plan.name, sample)


def is_slow_sample(answered: Sequence[PredictionRecord]) -> bool:
    """Tell whether a cell answers a sample, and not what a cascade passes on, but slowly: no message is asked twice."""
    return _have_probabilities(answered) and not answers_fast(answered)


def _have_probabilities(answered: Sequence[PredictionRecord]) -> bool:
    return any(record.probabilities is not None for record in answered)


def passed_on_messages(run: RunFolder, config: RunConfig, name: str, sample: Sequence[Message]) -> list[Message]:
    """Return those messages of a sample that a cascade may pass on to a row; none where it is second in no cascade.

    Where the cascade's first row has no answers yet, or there is no budget, these are all.
    """
    wanted: set[str] = set()
    for cascade in config.cascades.values():
        if cascade.second != name:
            continue
        first = run.cell(cascade.first).validation.read()
        if cascade.budget is None or not first:
            return list(sample)
        first.sort(key=lambda record: record.confidence or 0.0)
        wanted |= {record.id for record in first[: math.ceil(cascade.budget * len(first))]}
    return [message for message in sample if message.id in wanted]


def lacks_answers(run: RunFolder, config: RunConfig, name: str, validation: Sequence[Message]) -> bool:
    """Tell whether a finished cell has to answer more validation messages, for a cascade that was written later."""
    if name not in {cascade.second for cascade in config.cascades.values()}:
        return False
    answered = run.cell(name).validation.read()
    if _have_probabilities(answered):
        return False
    sample = stratified_sample(validation, config.validation_messages, config.seed)
    wanted = {message.id for message in passed_on_messages(run, config, name, sample)}
    return not wanted <= {record.id for record in answered}
