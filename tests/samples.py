"""Records and small data sets that several test modules make use of."""

from __future__ import annotations

import ctypes
import json
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bench.analysis.rows import Row
from bench.analysis.scores import score, wilson_interval
from bench.config.run import make_config
from bench.records.atlas import AtlasCell, AtlasScores
from bench.records.store import RunFolder
from bench.records.types import CellRecord, PredictionRecord, RunRecord
from classifiers.interface import Task

if TYPE_CHECKING:
    from bench.dataset.load import LoadedTask
    from classifiers.llm.engine.engine import Engine
    from classifiers.llm.prompting.settings import Choice
    from classifiers.llm.prompting.strategy import Strategy


WAITING = """
import os, pathlib, time
from classifiers.majority import Majority

class Slow(Majority):
    def fit(self, task, train, validation, *, listen=None):
        here = pathlib.Path(__file__)
        here.with_name(f"started-{task.name}-{os.getpid()}").touch()
        while not here.with_name("go").exists():
            time.sleep(0.1)
        super().fit(task, train, validation)
"""
"""A file with a backend that says beside it when `fit` began, and waits there for the file `go`."""


def record(id_: int, gold: str, predicted: str | None, p: float | None = None, **columns: str) -> PredictionRecord:
    other = "b" if predicted == "a" else "a"
    probabilities = None if p is None else {str(predicted): p, other: 1 - p}
    labels = () if predicted is None else (predicted,)
    return PredictionRecord(
        str(id_), f"text {id_}", (gold,), labels, predicted is not None, probabilities, columns=columns
    )


def row(name: str, records: list[PredictionRecord], validation: Sequence[PredictionRecord] = ()) -> Row:
    cell = CellRecord(name, "linear", "f", "ok", row=name)
    return Row.of(cell, records, score(records, ["a", "b"], validation=validation))


def with_cell(of: Row, **changes: Any) -> Row:
    """Return a row whose cell's record has other values."""
    assert of.cell is not None
    return Row.of(replace(of.cell, **changes), of.records, of.scores)


def hits(name: str, right: list[bool]) -> Row:
    return row(name, [record(i, "a", "a" if hit else "b") for i, hit in enumerate(right)])


def run_record(*, executor: str = "local", labels: tuple[str, ...] = ("a", "b"), **config: Any) -> RunRecord:
    """Return a run of the rows that `row` and `hits` make."""
    return RunRecord(
        name="small",
        config=make_config({"classifiers": {"linear": {}}, **config}, where="test"),
        task={"name": "letters", "labels": [{"name": name} for name in labels]},
        task_fingerprint="t",
        split_fingerprint="s",
        part_sizes={"train": 2, "test": 2},
        label_counts={},
        machine={"processor": "Z80", "cores": 2, "threads": 2},
        versions={"python": "3.11"},
        executor=executor,
    )


def write_run(folder: Path, gold: str, answers: dict[str, str]) -> RunFolder:
    """Write a run of rows that answer the messages `text 0`, `text 1`, ... with a letter each."""
    run = RunFolder(folder)
    run.path.mkdir(parents=True)
    run.write(run_record(classifiers={name: {"backend": "linear"} for name in answers}))
    for name, letters in answers.items():
        made = row(name, [record(i, gold[i], letter, 0.9) for i, letter in enumerate(letters)])
        run.cell(name).path.mkdir()
        run.cell(name).predictions.write(made.records)
        run.cell(name).write(made.cell)
    return run


def atlas_cell(row: str, right: str, *, size: int | None = None, seed: int = 0, **fields: Any) -> AtlasCell:
    """Return a cell with its answers as signs: 1 right, 0 wrong, . not asked."""
    n, hit = len(right) - right.count("."), right.count("1")
    interval = wilson_interval(hit, n)
    name = "-".join(filter(None, [row, str(size or ""), f"seed{seed}" if seed else ""]))
    scores = {"right": right, "n": n, "accuracy": hit / n, "low": interval.low, "high": interval.high}
    about: dict[str, Any] = {"backend": "linear", "n_train": 1000, "n_labelled": 1000, "train_per_label": size}
    return AtlasCell(name=name, row=row, seed=seed, **{**about, **scores, **fields})


def atlas_scores(data_set: str, n_labels: int, cells: Sequence[AtlasCell], **fields: Any) -> AtlasScores:
    """Return the scores of one data set, its messages numbered."""
    n = len(cells[0].right)
    about: dict[str, Any] = {
        "sha256": "s", "seen_by_llms": True, "task": "t", "split": "p", "part_sizes": {"train": 1000, "test": n},
        "ids": tuple(f"test/{i:04d}" for i in range(n)), "versions": {}, "machine_per_hour": 0.1,
    }  # fmt: skip
    return AtlasScores(data_set=data_set, n_labels=n_labels, cells=tuple(cells), **{**about, **fields})


def signs(n: int, hits: int) -> str:
    """Return answers of which the first `hits` of n are right."""
    return "1" * hits + "0" * (n - hits)


def atlas_set(data_set: str, n_labels: int, hits: Sequence[int], llm: int, *, n: int = 200) -> AtlasScores:
    """Return scores of an encoder at 1, 8, 64 examples per label and all, with two seeds, beside an LLM and floors.

    `hits` are the messages of n that the encoder gets right at each size, `llm` those of the LLM.
    """
    sizes = (1, 8, 64, None)
    cells = [atlas_cell("majority", signs(n, n // 10), backend="majority")]
    for size, right in zip(sizes, hits, strict=True):
        trained = {"n_train": (size or 256) * n_labels, "fine_tuned": True, "parameters": 22_000_000}
        timed = {"messages_per_second": 500.0, "is_timed": True, "machine": "Z80, 2 threads"}
        cells += [atlas_cell("encoder", signs(n, right), size=size, seed=seed, **trained, **timed) for seed in (0, 1)]
    asked = {"n_labelled": 0, "is_prompted": True, "parameters": 1_500_000_000, "messages_per_second": 5.0}
    cells.append(atlas_cell("llm", signs(n, llm), is_timed=True, machine="Z80, 2 threads", **asked))
    cells.append(atlas_cell("zero_shot", signs(n, llm // 2), n_labelled=0))
    return atlas_scores(data_set, n_labels, cells)


WORDS = {
    "fruit": (("apple", "sweet red apple"), ("pear", "soft green pear"), ("plum", "dark blue plum")),
    "cars": (("fast", "a quick engine"), ("slow", "an old tractor"), ("loud", "a roaring truck")),
    "moods": (("glad", "so happy today"), ("sad", "I feel down"), ("angry", "this is outrageous")),
}


def write_sweep(
    folder: Path,
    *,
    seeds: list[int],
    names: Sequence[str] = tuple(WORDS),
    seeded: bool = True,
    rows: str = "",
    top: str = "",
) -> Path:
    """Write small tables and a sweep over them: `majority`, `linear`, where wanted a row of two seeds, and others."""
    few = "[classifiers.linear-few]\nbackend = 'linear'\nstrengths = [10.0]\nseeds = 2\n" if seeded else ""
    for name in names:
        labels = WORDS[name]
        lines = [
            f"{text} number {i} {'of them' * (i % 3)},{label}" for label, text in labels for i in range(12 + len(name))
        ]
        (folder / f"{name}.csv").write_text("text,label\n" + "\n".join(lines) + "\n")
    tables = "".join(f'[sweep.data.{name}]\npath = "{folder / name}.csv"\n' for name in names)
    config = folder / "wide.toml"
    config.write_text(
        f"{top}latency_messages = 0\nthreads = 1\nkeep_models = false\n"
        f"[sweep]\nseeds = {seeds}\n{tables}[split]\nduplicates = 'report'\n"
        f"[classifiers.majority]\n[classifiers.linear]\nstrengths = [10.0]\n{few}{rows}"
    )
    return config


def hear_interrupts() -> None:
    """Let a process that is started hear Ctrl-C: one started by a test run in the background inherits deafness."""
    signal.signal(signal.SIGINT, signal.default_int_handler)


def word_pieces(texts: list[str]) -> Any:
    """Train a small tokenizer of BERT's kind; other kinds of models read its tokens as well."""
    from tokenizers import BertWordPieceTokenizer
    from tokenizers.processors import BertProcessing
    from transformers import PreTrainedTokenizerFast

    names = {"unk": "[UNK]", "pad": "[PAD]", "cls": "[CLS]", "sep": "[SEP]", "mask": "[MASK]"}  # the padding is 1
    trained = BertWordPieceTokenizer()
    trained.train_from_iterator(texts, vocab_size=300, show_progress=False, special_tokens=list(names.values()))
    cls, sep = ((token, trained.token_to_id(token)) for token in ("[CLS]", "[SEP]"))
    trained._tokenizer.post_processor = BertProcessing(sep, cls)
    special: Any = {f"{kind}_token": token for kind, token in names.items()}
    return PreTrainedTokenizerFast(tokenizer_object=trained._tokenizer, **special)


STRANGER = """
import json, os, re, sys, traceback
from contextlib import suppress

class Absent:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in ("bench", "classifiers"):
            raise ModuleNotFoundError(f"{name} is hidden")

sys.meta_path.insert(0, Absent())
os.environ.update(HF_HUB_OFFLINE="1", TQDM_DISABLE="1")
SLOW = re.compile(r"^(?:import|from) (?:torch|transformers|sentence_transformers|peft|onnxruntime|skops)\\b.*", re.M)

def answer_in(folder, code, given, log):
    os.chdir(folder)
    file = os.open(log, os.O_WRONLY | os.O_CREAT)
    os.dup2(file, 1), os.dup2(file, 2)
    names = {"__name__": "__main__", "given": given, "json": json, "os": os, "sys": sys}
    try:
        exec(code, names)
        with open(log + ".json", "w") as stream:
            json.dump(names["answer"], stream)
    except BaseException:
        traceback.print_exc()
        sys.stderr.flush()
        os._exit(1)
    os._exit(0)

for line in sys.stdin:
    asked = json.loads(line)
    for statement in SLOW.findall(asked["code"]):
        with suppress(Exception):
            exec(statement, {})
    if os.fork() == 0:
        answer_in(**asked)
    print("ended", os.waitstatus_to_exitcode(os.wait()[1]), flush=True)
"""


@cache
def _stranger() -> subprocess.Popen[str]:
    """Start the process that forks for every question; it ends with this one, as its input does."""
    pipe = subprocess.PIPE
    return subprocess.Popen([sys.executable, "-I", "-c", STRANGER], stdin=pipe, stdout=pipe, text=True)


def ask_stranger(code: str, at: Path, **given: Any) -> Any:
    """Run code in a new process that cannot import this project, and return what it left in `answer`.

    It is a fork of one that has imported the large libraries asked for so far, which takes seconds, and done nothing
    else.

    Args:
        code: reads `given`, a dictionary of what is handed over, and sets `answer`; both go as JSON.
        at: where it runs.
        given: what is handed over.
    """
    stranger = _stranger()
    assert stranger.stdin is not None
    assert stranger.stdout is not None
    with tempfile.TemporaryDirectory() as folder:
        log = Path(folder, "log")
        asked = {"folder": str(at), "code": code, "given": given, "log": str(log)}
        stranger.stdin.write(json.dumps(asked) + "\n")
        stranger.stdin.flush()
        ended = next(line for line in stranger.stdout if line.startswith("ended"))
        assert ended.split()[1] == "0", log.read_text(encoding="utf-8", errors="replace")[-2000:]
        return json.loads(log.with_suffix(".json").read_text(encoding="utf-8"))


@contextmanager
def exact_engine(model: Path, folder: Path) -> Iterator[Engine]:
    """Open a GGUF expanded to 32-bit weights (by llama.cpp itself), with which equal prompts give equal figures."""
    import llama_cpp.llama_cpp as lib

    from bench.measure.limits import usable_cores
    from classifiers.llm.engine.engine import Engine

    path = folder / "f32.gguf"
    params = lib.llama_model_quantize_default_params()
    params.ftype, params.allow_requantize, params.nthread = 0, True, 2
    assert lib.llama_model_quantize(str(model).encode(), str(path).encode(), ctypes.byref(params)) == 0
    engine = Engine(path, context=4096, parallel=16, batch=512, threads=usable_cores(), exact=True)
    yield engine
    engine.close()
    path.unlink()


def strategy(
    engine: Engine, loaded: LoadedTask, choice: Choice, task: Task | None = None, **settings: object
) -> Strategy:
    """Return the strategy of a choice about a loaded task, or another task with the same messages."""
    from classifiers.llm.prompting.asking import strategy_of
    from classifiers.llm.prompting.chat import Chat
    from classifiers.llm.prompting.examples import ExampleSource, draw_per_label
    from classifiers.llm.prompting.settings import LlamaCppSettings
    from classifiers.llm.prompting.strategy import Asking

    task, checked = task or loaded.task, LlamaCppSettings.model_validate(settings)
    shown = draw_per_label(task, loaded.messages, choice.n_examples, choice.example_seed)
    source = ExampleSource(fixed=shown if choice.examples == "fixed" else ())
    chat = Chat(engine, thinks=checked.thinking > 0)
    return strategy_of(Asking(chat, task, loaded.messages, choice, checked, source))
