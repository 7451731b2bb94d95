"""One measurement of the LLM speed benchmark, in a process of its own: `python -m bench.speed_llm JOB`.

Variants: `chat`, a plain `create_chat_completion` loop, which is what people write; `generate` and
`score`, the backend's modes; `server`, llama-cpp-python's own server with 8 clients. All get the same
GGUF, the same prompt and the same messages, and only answering them is timed.
"""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal

from bench import meter
from bench.config import DataConfig
from bench.task import LoadedTask, load_task
from classifiers.llm.llama_cpp import LlamaCpp
from classifiers.llm.parse import parse_answer
from classifiers.llm.prompt import conversation
from classifiers.llm.settings import LlamaCppSettings
from classifiers.models import local_model

Variant = Literal["chat", "generate", "score", "server"]
CLIENTS = 8
CONTEXT = 4096
MAX_TOKENS = 16
WAIT_SECONDS = 60


@dataclass(frozen=True, slots=True)
class Job:
    """What to measure: a variant with a model on the first messages of a shuffled data set."""

    variant: Variant
    model: str
    messages: int
    data: str
    threads: int


@dataclass(frozen=True, slots=True)
class Measurement:
    """Seconds for all messages, answers (unparsed ones empty), peak memory, and tokens decoded per message."""

    seconds: float
    answers: list[str]
    peak_memory_bytes: int
    tokens_per_message: float
    n_parameters: int


def measure(job: Job) -> Measurement:
    """Load, warm up on two messages, then time all."""
    loaded = load_task(DataConfig(path=job.data))
    texts = pick_texts(loaded, job.messages)
    variants = {"chat": _chat, "server": _server, "generate": _backend, "score": _backend}
    return variants[job.variant](job, loaded, texts)


def pick_texts(loaded: LoadedTask, n: int) -> list[str]:
    """Take n messages spread evenly over the data set, so that every label is among them."""
    step = max(len(loaded.messages) // n, 1)
    return [m.text for m in loaded.messages[::step]][:n]


def _backend(job: Job, loaded: LoadedTask, texts: Sequence[str]) -> Measurement:
    mode = "score" if job.variant == "score" else "generate"
    options = {"model": job.model, "mode": mode, "retries": 0, "max_tokens": MAX_TOKENS, "context": CONTEXT}
    settings = LlamaCppSettings.model_validate(options)
    with LlamaCpp(settings, threads=job.threads) as classifier:
        classifier.load()
        classifier.fit(loaded.task, (), ())
        list(classifier.predict(texts[:2]))
        started = time.perf_counter()
        found = list(classifier.predict(texts))
        seconds = time.perf_counter() - started
        shared = classifier.engine.prefix_length
        read = [p.attempts[0].prompt_tokens - shared + p.attempts[0].completion_tokens for p in found]
        tree = len(classifier.asker.tree) - 1 if mode == "score" else 0
        answers = [p.labels[0] if p.valid else "" for p in found]
        tokens = sum(read) / len(read) + tree
        return Measurement(seconds, answers, meter.peak_memory_bytes(), tokens, classifier.engine.model.n_parameters)


def _messages(loaded: LoadedTask, text: str) -> list[dict[str, str]]:
    return [{"role": turn.role, "content": turn.text + turn.message} for turn in conversation(loaded.task, text)]


def _chat(job: Job, loaded: LoadedTask, texts: Sequence[str]) -> Measurement:
    from llama_cpp import Llama

    path = str(local_model(job.model, "gguf").path)
    model: Any = Llama(path, n_ctx=CONTEXT, n_threads=job.threads, n_threads_batch=job.threads, verbose=False)

    def ask(text: str) -> Any:
        return model.create_chat_completion(_messages(loaded, text), temperature=0.0, max_tokens=MAX_TOKENS)

    for text in texts[:2]:
        ask(text)
    started = time.perf_counter()
    replies = [ask(text) for text in texts]
    seconds = time.perf_counter() - started
    return _of_replies(loaded, replies, seconds, meter.peak_memory_bytes())


def _server(job: Job, loaded: LoadedTask, texts: Sequence[str]) -> Measurement:
    from openai import OpenAI

    path = str(local_model(job.model, "gguf").path)
    with _running_server(path, job.threads) as (process, url):
        client: Any = OpenAI(base_url=f"{url}/v1", api_key="none", timeout=600)

        def ask(text: str) -> Any:
            options = {"model": "default", "temperature": 0.0, "max_tokens": MAX_TOKENS}
            return client.chat.completions.create(messages=_messages(loaded, text), **options).model_dump()

        for text in texts[:2]:
            ask(text)
        started = time.perf_counter()
        with ThreadPoolExecutor(CLIENTS) as pool:
            replies = list(pool.map(ask, texts))
        seconds = time.perf_counter() - started
        return _of_replies(loaded, replies, seconds, _peak_of(process.pid))


def _of_replies(loaded: LoadedTask, replies: Sequence[Any], seconds: float, peak: int) -> Measurement:
    parsed = [parse_answer(reply["choices"][0]["message"]["content"], loaded.task.label_names) for reply in replies]
    return Measurement(seconds, [p.labels[0] if p.valid else "" for p in parsed], peak, 0.0, 0)


@contextmanager
def _running_server(path: str, threads: int) -> Iterator[tuple[subprocess.Popen[bytes], str]]:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    options = ["--model", path, "--n_ctx", str(CONTEXT), "--n_threads", str(threads), "--port", str(port)]
    command = [sys.executable, "-m", "llama_cpp.server", *options]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        _wait_for(port, process)
        yield process, f"http://127.0.0.1:{port}"
    finally:
        process.terminate()
        process.wait()


def _wait_for(port: int, process: subprocess.Popen[bytes]) -> None:
    for _ in range(WAIT_SECONDS * 10):
        if process.poll() is not None:
            raise RuntimeError(f"the server ended with code {process.returncode}")
        try:
            socket.create_connection(("127.0.0.1", port), timeout=1).close()
            return
        except OSError:
            time.sleep(0.1)
    raise RuntimeError("the server did not answer in time")


def _peak_of(pid: int) -> int:
    status = Path(f"/proc/{pid}/status")
    lines = status.read_text().splitlines() if status.exists() else []
    return next((int(line.split()[1]) * 1024 for line in lines if line.startswith("VmHWM")), 0)


if __name__ == "__main__":
    sys.stdout = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)
    print(json.dumps(asdict(measure(Job(**json.loads(sys.argv[1]))))))
    sys.stdout.flush()
