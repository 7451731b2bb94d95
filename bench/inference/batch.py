"""Let a trained classifier answer a whole file of messages, of any size.

The file is looked through first, so that what would stop the job is known before the first answer. It is then read in
pieces; every piece is answered by one of several processes and its answers are put into a folder beside the output,
which is assembled at the end. Memory therefore does not grow with the file, a job that was broken off goes on with the
pieces it lacks, and any number of processes gives the same output.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, BrokenExecutor, Future, ProcessPoolExecutor, wait
from dataclasses import asdict, dataclass
from functools import lru_cache
from multiprocessing import get_context
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bench.analysis.thresholds import unsure_below
from bench.inference.saved import open_saved
from bench.inference.table_stream import Layout, Piece, examine, read_pieces
from bench.inference.table_writer import write_pieces
from bench.measure.limits import usable_cores
from bench.records.store import RunFolder, find_cell
from classifiers.errors import BenchError, check_known
from classifiers.interface import Classifier, Prediction

if TYPE_CHECKING:
    import pyarrow as pa

ADDED = ("predicted", "probability", "unsure")
JOB = "job.json"

Report = Callable[[float], None]
"""Told the share of the file that is answered, 0 to 1."""


@dataclass(frozen=True, slots=True)
class BatchJob:
    """What is to be answered by which classifier; `unsure_below` is None where it has no probabilities.

    With `probabilities` a column per label is added, named `p(LABEL)`.
    """

    run: str
    classifier: str
    source: str
    target: str
    text: str
    unsure_below: float | None
    probabilities: bool
    labels: tuple[str, ...]

    @property
    def added(self) -> list[str]:
        """Return the names of the columns that are added."""
        return [*ADDED, *(f"p({label})" for label in self.labels if self.probabilities)]


@dataclass(frozen=True, slots=True)
class BatchResult:
    """What came of a job: rows in the output, and how many pieces were answered by an earlier start."""

    rows: int
    pieces: int
    kept_pieces: int
    unsure_below: float | None


def find_classifier(name: str, results: Path) -> tuple[RunFolder, str]:
    """Return run and classifier of `RUN/CLASSIFIER`; RUN is a path, a name or `latest`.

    Raises:
        BenchError: if there is none, or it was not saved.
    """
    run, classifier = find_cell(name, results)
    check_known([classifier], run.saved(), what="saved classifier")
    return run, classifier


def make_job(
    where: tuple[RunFolder, str], source: Path, target: Path, *, text: str, accuracy: float, probabilities: bool
) -> BatchJob:
    """Describe a job; validation messages show that answers above its threshold keep `accuracy`."""
    run, name = where
    if not source.is_file():
        raise BenchError(f"{source}: there is no such file")
    if not 0 < accuracy <= 1:
        raise BenchError(f"--accuracy {accuracy:g} must be above 0 and at most 1")
    record = run.read()
    task = record.config.data.learnt(record.as_task())
    threshold = unsure_below(run.cell(name).validation.read(), accuracy)
    return BatchJob(str(run.path), name, str(source), str(target), text, threshold, probabilities, task.label_names)


def predict_file(job: BatchJob, *, workers: int, report: Report) -> BatchResult:
    """Answer every row of the job's file and write the output.

    Raises:
        BenchError: if input, output or classifier cannot be used, or another job's pieces are in the way.
    """
    source, target = Path(job.source), Path(job.target)
    layout = examine(source, target, job.text)
    if taken := [name for name in job.added if name in layout.names]:
        raise BenchError(f"{source}: has a column '{taken[0]}' already; rename it")
    parts = Path(f"{target}.parts")
    _claim(parts, job)
    answered = kept = 0
    try:
        for share, was_there in _answer_all(job, layout, parts, workers):
            answered, kept = answered + 1, kept + was_there
            report(share)
    finally:
        if not any(parts.glob("*.parquet")):
            shutil.rmtree(parts)
    is_separated = source.suffix in (".csv", ".tsv")
    pieces = (_read_part(parts, i) for i in range(answered))
    rows = write_pieces(target, pieces, kept=layout.names if is_separated else ())
    shutil.rmtree(parts)
    return BatchResult(rows, answered, kept, job.unsure_below)


def _claim(parts: Path, job: BatchJob) -> None:
    """Make the folder of pieces, or see that it is this very job's."""
    if Path(job.target).is_dir():
        raise BenchError(f"{job.target} is a folder; give the name of a file")
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


def _answer_all(job: BatchJob, layout: Layout, parts: Path, workers: int) -> Iterator[tuple[float, bool]]:
    """Yield, as pieces are answered, the share read so far and whether the piece was there already."""
    threads = max(usable_cores() // workers, 1)
    with ProcessPoolExecutor(workers, get_context("spawn")) as pool:
        running: set[Future[None]] = set()
        share = 0.0
        try:
            for i, piece in enumerate(read_pieces(Path(job.source), job.text, layout)):
                share = piece.share
                if _part(parts, i).exists():
                    yield share, True
                    continue
                running.add(pool.submit(_answer, job, threads, piece, _part(parts, i)))
                while len(running) >= 2 * workers:
                    yield from ((share, False) for _ in _take(running))
            while running:
                yield from ((share, False) for _ in _take(running))
        except BrokenExecutor as error:
            raise BenchError(
                "a process that answers died, most likely because memory ran out; use fewer --workers"
            ) from error
        except BaseException:
            pool.shutdown(wait=False, cancel_futures=True)
            raise


def _take(running: set[Future[None]]) -> list[None]:
    done, _ = wait(running, return_when=FIRST_COMPLETED)
    running -= done
    return [future.result() for future in done]


def _part(parts: Path, i: int) -> Path:
    return parts / f"{i:08}.parquet"


def _read_part(parts: Path, i: int) -> pa.RecordBatch:
    from pyarrow import parquet

    (batch,) = parquet.read_table(_part(parts, i)).combine_chunks().to_batches()
    return batch


@lru_cache(maxsize=1)
def _opened(run: str, classifier: str, threads: int) -> Classifier[Any]:
    """Take up the classifier once in each process that answers; an error reaches whoever waits for the piece."""
    return open_saved(RunFolder(Path(run)), classifier, threads=threads)


def _answer(job: BatchJob, threads: int, piece: Piece, path: Path) -> None:
    """Answer a piece's rows and write them, with the answers, beside and renamed."""
    from pyarrow import Table, parquet

    predictions = list(_opened(job.run, job.classifier, threads).predict(piece.texts))
    table = Table.from_batches([piece.batch])
    for name, values in zip(job.added, answer_columns(job, predictions), strict=True):
        table = table.append_column(name, values)
    beside = path.with_suffix(f".{os.getpid()}")
    parquet.write_table(table, beside)
    beside.replace(path)


def answer_columns(job: BatchJob, predictions: Sequence[Prediction]) -> Iterator[pa.Array]:
    """Yield the added columns in their order; they are the same in every piece, whatever its answers are."""
    import pyarrow as pa

    yield pa.array([written(p, job.labels) for p in predictions], pa.string())
    yield pa.array([p.confidence for p in predictions], pa.float64())
    yield pa.array([is_unsure(p, job.unsure_below) for p in predictions], pa.bool_())
    for label in job.labels if job.probabilities else ():
        yield pa.array([(p.probabilities or {}).get(label) for p in predictions], pa.float64())


def written(prediction: Prediction, labels: Sequence[str]) -> str | None:
    """Return the labels as text, None for an answer that could not be read."""
    nothing = "(no label)" if "no label" in labels else "no label"
    return (", ".join(prediction.labels) or nothing) if prediction.valid else None


def is_unsure(prediction: Prediction, threshold: float | None) -> bool:
    """Tell whether a person should look: no answer, or one whose probability is below the threshold."""
    if prediction.confidence is None or threshold is None:
        return not prediction.valid
    return prediction.confidence < threshold
