"""Refuse scores that do not fit the atlas: of another version, other rows or messages, or a row that it has already.

Everything is worked out anew from the data set on this machine: its hash, its parts and the sample of its test part as
the atlas's preset makes them. A file cannot say that it fits.
"""

from __future__ import annotations

from pathlib import Path

from bench.config.run import RunConfig, load_config
from bench.config.tables import DataConfig
from bench.dataset.catalogue import dataset_entry
from bench.dataset.load import LoadedTask, load_task
from bench.dataset.named import NAME, check_named, dataset_folder
from bench.dataset.sampled_test import with_sampled_test
from bench.dataset.split import Split, make_split
from bench.records.atlas import AtlasScores, joined, read_atlas, read_scores
from classifiers.errors import BenchError
from classifiers.plurals import number_of

PRESET = "atlas"


def check_scores(file: Path, committed: Path) -> str:
    """Return in one line what a file of scores adds to the atlas in a folder.

    Raises:
        BenchError: if it does not fit; one line that says what differs.
    """
    scores = read_scores(file)
    if not scores.cells:
        raise BenchError(f"{file}: holds no scores")
    _check_data_set(file, scores)
    others = [one_set for one_set in read_atlas(committed) if one_set.data_set == scores.data_set]
    for other in others:
        if file.resolve().parent != committed.resolve():
            joined(other, scores, file)
    rows = dict.fromkeys(cell.row for cell in scores.cells)
    return f"{file}: fits: {scores.data_set}, {number_of(len(scores.cells), 'cell')} of {', '.join(rows)}"


def _check_data_set(file: Path, scores: AtlasScores) -> None:
    """See that the file is of the catalogue's data set, with the parts and the sample that the preset makes."""
    entry = dataset_entry(scores.data_set)
    if scores.sha256 != entry.sha256:
        raise BenchError(
            f"{file}: the rows of {scores.data_set} have SHA-256 {scores.sha256[:12] or 'none'}…, the catalogue says "
            f"{entry.sha256[:12]}…; run it as name:{scores.data_set}"
        )
    if not entry.shipped and dataset_folder(scores.data_set) is None:
        raise BenchError(
            f"{file}: {scores.data_set} is not on this machine, so its test messages cannot be compared; "
            f"fetch it: bench data pull {scores.data_set}"
        )
    check_named(scores.data_set, entry)
    loaded, split = sampled(scores.data_set)
    ids = sorted(message.id for message in split.select(loaded.messages, "test"))
    differing = set(ids) ^ set(scores.ids)
    if differing or tuple(ids) != scores.ids:
        raise BenchError(
            f"{file}: {number_of(len(differing), 'test id')} other than in the preset '{PRESET}' (such as "
            f"{min(differing, default='their order')}); run the study with the preset's [data] and [split]"
        )
    for what, mine in (("task", loaded.fingerprint), ("split", split.fingerprint)):
        if (theirs := getattr(scores, what)) != mine:
            raise BenchError(
                f"{file}: the fingerprint of the {what} is {theirs}, here it is {mine}: training messages, labels or "
                f"definitions differ; run the study with the preset's [data] and [split]"
            )


def sampled(data_set: str) -> tuple[LoadedTask, Split]:
    """Read a data set of the catalogue as the preset does: its messages, and the part of each."""
    config = _config(data_set)
    loaded = load_task(config.data)
    return with_sampled_test(loaded, make_split(loaded, config.split, config.seed), config.split)


def _config(data_set: str) -> RunConfig:
    """Return the preset with one data set; one that it does not name yet is read like the others."""
    config = load_config(PRESET)
    tables = config.sweep.data if config.sweep else {}
    most = max((data.max_messages for data in tables.values()), default=DataConfig().max_messages)
    data = tables.get(data_set) or DataConfig(path=f"{NAME}{data_set}", max_messages=most)
    return config.model_copy(update={"data": data, "sweep": None})
