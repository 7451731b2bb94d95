"""Let a trained classifier answer a whole file of messages, of any size.

The file is read in pieces; every piece is answered by one of several processes and its answers are put
into a folder beside the output, which is assembled at the end. Memory therefore does not grow with the
file, a job that was broken off goes on with the pieces it lacks, and any number of processes gives the
same output.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, BrokenExecutor, Future, ProcessPoolExecutor, wait
from dataclasses import asdict, dataclass
from multiprocessing import get_context
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bench.analysis.scores import unsure_below
from bench.inference.saved import open_saved
from bench.inference.table_stream import check_kind, read_pieces, write_pieces
from bench.measure.process import usable_cores
from bench.records.store import RunFolder, find_cell
from classifiers.errors import BenchError
from classifiers.interface import Classifier, Prediction

if TYPE_CHECKING:
    import pyarrow as pa

ADDED = ("predicted", "probability", "unsure")
JOB = "job.json"
NO_LABEL = "no label"

Report = Callable[[float], None]
"""Told the share of the file that is answered, 0 to 1."""


@dataclass(frozen=True, slots=True)
class Job:
    """What is to be answered by which classifier; `unsure_below` is None where it has no probabilities.

    With `probabilities` a column a label is added, named `p(LABEL)`.
    """

    run: str
    classifier: str
    source: str
    target: str
    text: str
    unsure_below: float | None
    probabilities: bool


@dataclass(frozen=True, slots=True)
class Done:
    """What came of a job: rows in the output, and how many were found answered from an earlier start."""

    rows: int
    pieces: int
    kept_pieces: int
    unsure_below: float | None


def find_classifier(name: str, results: Path) -> tuple[RunFolder, str]:
    """Give run and classifier of `RUN/CLASSIFIER`; RUN is a path, a name or `latest`.

    Raises:
        BenchError: if there is none, or it was not saved.
    """
    from classifiers.errors import check_known

    run, classifier = find_cell(name, results)
    check_known([classifier], run.saved(), what="saved classifier")
    return run, classifier


def make_job(
    where: tuple[RunFolder, str], source: Path, target: Path, *, text: str, accuracy: float, probabilities: bool
) -> Job:
    """Describe a job; the bound of unsure answers is the one that gives `accuracy` on validation messages."""
    run, name = where
    check_kind(source)
    check_kind(target)
    if not source.is_file():
        raise BenchError(f"{source}: there is no such file")
    bound = unsure_below(run.cell(name).validation.read(), accuracy)
    return Job(str(run.path), name, str(source), str(target), text, bound, probabilities)


def predict_file(job: Job, *, workers: int, report: Report) -> Done:
    """Answer every row of the job's file and write the output.

    Raises:
        BenchError: if input, output or classifier cannot be used, or another job's pieces are in the way.
    """
    parts = Path(f"{job.target}.parts")
    _claim(parts, job)
    threads = max(usable_cores() // workers, 1)
    counts = [0, 0]
    with ProcessPoolExecutor(workers, get_context("spawn"), _open, (job, threads)) as pool:
        try:
            for share, kept in _answered(job, parts, pool, 2 * workers):
                counts[kept] += 1
                report(share)
        except BrokenExecutor as error:
            raise BenchError("a process that answers died, most likely because memory ran out; use fewer") from error
        except BaseException:
            pool.shutdown(wait=False, cancel_futures=True)
            raise
        finally:
            if not any(parts.glob("*.parquet")):
                shutil.rmtree(parts)
    if not sum(counts):
        raise BenchError(f"{job.source}: is empty; it needs rows to answer")
    rows = write_pieces(Path(job.target), (_read_part(parts, i) for i in range(sum(counts))))
    shutil.rmtree(parts)
    return Done(rows, sum(counts), counts[True], job.unsure_below)


def _claim(parts: Path, job: Job) -> None:
    """Make the folder of pieces, or see that it is this very job's."""
    stat = Path(job.source).stat()
    weights = RunFolder(Path(job.run)).cell(job.classifier).path / "cell.json"
    text = [asdict(job), stat.st_size, stat.st_mtime_ns, hashlib.sha256(weights.read_bytes()).hexdigest()]
    mine, file = json.dumps(text), parts / JOB
    if file.exists() and file.read_text() != mine:
        raise BenchError(f"{parts} holds pieces of another job; delete it or give another output")
    try:
        parts.mkdir(parents=True, exist_ok=True)
        file.write_text(mine)
    except OSError as error:
        raise BenchError(f"cannot write to {parts}: {error.strerror}") from error


def _answered(job: Job, parts: Path, pool: ProcessPoolExecutor, most: int) -> Iterator[tuple[float, bool]]:
    """Give, as pieces are answered, the share read so far and whether the piece was there already."""
    running: set[Future[None]] = set()
    share = 0.0
    for i, (piece, share) in enumerate(read_pieces(Path(job.source))):
        _check_columns(piece.schema.names, job)
        if _part(parts, i).exists():
            yield share, True
            continue
        running.add(pool.submit(_answer, piece, _part(parts, i)))
        while len(running) >= most:
            yield from ((share, False) for _ in _take(running))
    while running:
        yield from ((share, False) for _ in _take(running))


def _take(running: set[Future[None]]) -> list[None]:
    done, _ = wait(running, return_when=FIRST_COMPLETED)
    running -= done
    return [future.result() for future in done]


def _check_columns(names: Sequence[str], job: Job) -> None:
    if job.text not in names:
        raise BenchError(f"{job.source}: no column '{job.text}' (columns: {', '.join(names)}); name it with --text")
    if taken := [name for name in ADDED if name in names]:
        raise BenchError(f"{job.source}: has a column '{taken[0]}' already; rename it")


def _part(parts: Path, i: int) -> Path:
    return parts / f"{i:08}.parquet"


def _read_part(parts: Path, i: int) -> pa.RecordBatch:
    from pyarrow import parquet

    (batch,) = parquet.read_table(_part(parts, i)).combine_chunks().to_batches()
    return batch


_mine: dict[str, Any] = {}
"""In a process that answers: its job and its classifier."""


def _open(job: Job, threads: int) -> None:
    _mine["job"] = job
    _mine["classifier"] = open_saved(RunFolder(Path(job.run)), job.classifier, threads=threads)


def _answer(piece: pa.RecordBatch, path: Path) -> None:
    """Answer a piece's rows and write them, with the answers, beside and renamed."""
    from pyarrow import Table, parquet

    job: Job = _mine["job"]
    classifier: Classifier[Any] = _mine["classifier"]
    texts = ["" if text is None else str(text) for text in piece.column(job.text).to_pylist()]
    predictions = list(classifier.predict(texts))
    table = Table.from_batches([piece])
    for name, values in _columns(job, predictions).items():
        table = table.append_column(name, values)
    beside = path.with_suffix(f".{os.getpid()}")
    parquet.write_table(table, beside)
    beside.replace(path)


def _columns(job: Job, predictions: Sequence[Prediction]) -> dict[str, pa.Array]:
    import pyarrow as pa

    columns = {
        "predicted": pa.array([_written(p) for p in predictions], pa.string()),
        "probability": pa.array([p.confidence for p in predictions], pa.float64()),
        "unsure": pa.array([is_unsure(p, job.unsure_below) for p in predictions], pa.bool_()),
    }
    if job.probabilities:
        names = list(next((p.probabilities for p in predictions if p.probabilities), {}))
        for name in names:
            columns[f"p({name})"] = pa.array([(p.probabilities or {}).get(name) for p in predictions], pa.float64())
    return columns


def _written(prediction: Prediction) -> str | None:
    """Give the labels as text, None for an answer that could not be read."""
    return (", ".join(prediction.labels) or NO_LABEL) if prediction.valid else None


def is_unsure(prediction: Prediction, bound: float | None) -> bool:
    """Tell whether a person should look: no answer, or one whose probability is under the bound."""
    if prediction.confidence is None or bound is None:
        return not prediction.valid
    return prediction.confidence < bound
