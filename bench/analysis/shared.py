"""The messages that several classifiers answered: all that is paired is worked out on these."""

from __future__ import annotations

from collections.abc import Sequence

from bench.records.types import PredictionRecord


def shared_records(answers: Sequence[Sequence[PredictionRecord]]) -> list[list[PredictionRecord]]:
    """Return each classifier's answers to the messages that all answered, in the order of the first."""
    by_id = [{record.id: record for record in records} for records in answers]
    shared = [id_ for id_ in by_id[0] if all(id_ in records for records in by_id)]
    return [[records[id_] for id_ in shared] for records in by_id]
