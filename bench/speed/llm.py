"""One measurement of the LLM speed benchmark, in a process of its own: `python -m bench.speed.llm JOB`.

Variants: `chat`, a plain `create_chat_completion` loop, which is what people write; `generate` and
`score`, the backend's modes; `server`, llama-cpp-python's own server with 8 clients. All get the same
GGUF, the same prompt and the same messages, and only answering them is timed.
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from typing import Any

from bench.dataset.load import LoadedTask
from bench.measure import process as meter
from bench.speed.job import Job, answer_job, load_for_speed
from bench.speed.local_server import LocalServer
from classifiers.llm.engine.decoder import Decoder, Row
from classifiers.llm.engine.gguf_model import GgufModel
from classifiers.llm.llama_cpp import LlamaCpp
from classifiers.llm.prompting.parse import parse_answer
from classifiers.llm.prompting.prompt import conversation
from classifiers.llm.prompting.score import ScoreLabels
from classifiers.llm.prompting.settings import LlamaCppSettings
from classifiers.models.cache import local_model
from classifiers.sampling import stratified_sample

CLIENTS = 8
CONTEXT = 4096
MAX_TOKENS = 16
SINGLES = 10


@dataclass(frozen=True, slots=True)
class Measurement:
    """Seconds for all messages, answers (unparsed ones empty), peak memory, and tokens decoded per message.

    `single_ms` is the median of the first messages asked one at a time, None for the server, which is asked by many.
    `full_batch_ms_per_token` is what llama.cpp itself takes per token, in one whole batch of a single sequence.
    """

    seconds: float
    answers: list[str]
    peak_memory_bytes: int
    tokens_per_message: float
    n_parameters: int
    full_batch_ms_per_token: float | None = None
    single_ms: float | None = None


def measure(job: Job) -> Measurement:
    """Load, warm up on two messages, then time all."""
    loaded = load_for_speed(job.data)
    texts = pick_texts(loaded, job.messages)
    variants = {"chat": _chat, "server": _server, "generate": _backend, "score": _backend}
    return variants[job.variant](job, loaded, texts)


def pick_texts(loaded: LoadedTask, n: int) -> list[str]:
    """Return the texts of a stratified sample of n messages."""
    return [m.text for m in stratified_sample(loaded.messages, n, seed=0)]


def _backend(job: Job, loaded: LoadedTask, texts: Sequence[str]) -> Measurement:
    mode = "score" if job.variant == "score" else "generate"
    options = {"model": job.model, "mode": mode, "retries": 0, "max_tokens": MAX_TOKENS, "context": CONTEXT}
    settings = LlamaCppSettings.model_validate(options)
    with LlamaCpp(settings, threads=job.threads) as classifier:
        classifier.load()
        classifier.fit(loaded.task, (), ())
        list(classifier.predict(texts[:2]))
        started = time.perf_counter()
        predictions = list(classifier.predict(texts))
        seconds = time.perf_counter() - started
        single_ms = _single_ms(lambda text: list(classifier.predict([text])), texts)
        shared = classifier.engine.prefix_length
        read = [p.attempts[0].prompt_tokens - shared + p.attempts[0].completion_tokens for p in predictions]
        tree = len(classifier.strategy.tree) - 1 if isinstance(classifier.strategy, ScoreLabels) else 0
        answers = [p.labels[0] if p.valid else "" for p in predictions]
        tokens = sum(read) / len(read) + tree
        peak = meter.peak_memory_bytes()
        rate = _full_batch_ms(classifier.engine.model, settings.batch, job.threads)
        return Measurement(seconds, answers, peak, tokens, classifier.engine.model.n_parameters, rate, single_ms)


def _single_ms(ask: Callable[[str], object], texts: Sequence[str]) -> float:
    """Return the median milliseconds of a message asked alone."""
    taken = []
    for text in texts[:SINGLES]:
        started = time.perf_counter()
        ask(text)
        taken.append(1000 * (time.perf_counter() - started))
    return statistics.median(taken)


def _full_batch_ms(model: GgufModel, batch: int, threads: int) -> float:
    """Time whole batches of one sequence, median of 5, in milliseconds per token."""
    decoder = Decoder(model, cells=2 * batch, sequences=1, batch=batch, threads=threads)
    tokens = model.tokenize("The quick brown fox jumps over the lazy dog. " * batch, special=False)[:batch]
    rows = [Row(token, i, (1,)) for i, token in enumerate(tokens)]
    taken = []
    for _ in range(5):
        started = time.perf_counter()
        decoder.run(rows)
        taken.append(1000 * (time.perf_counter() - started) / batch)
        decoder.forget(1)
    decoder.close()
    return statistics.median(taken)


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
    measured = _of_replies(loaded, replies, seconds, meter.peak_memory_bytes())
    return replace(measured, single_ms=_single_ms(ask, texts))


def _server(job: Job, loaded: LoadedTask, texts: Sequence[str]) -> Measurement:
    from openai import OpenAI

    with LocalServer(local_model(job.model, "gguf").path, context=CONTEXT, threads=job.threads) as server:
        client: Any = OpenAI(base_url=server.url, api_key="none", timeout=600)

        def ask(text: str) -> Any:
            options = {"model": "default", "temperature": 0.0, "max_tokens": MAX_TOKENS}
            return client.chat.completions.create(messages=_messages(loaded, text), **options).model_dump()

        for text in texts[:2]:
            ask(text)
        started = time.perf_counter()
        with ThreadPoolExecutor(CLIENTS) as pool:
            replies = list(pool.map(ask, texts))
        seconds = time.perf_counter() - started
        return _of_replies(loaded, replies, seconds, server.peak_memory_bytes)


def _of_replies(loaded: LoadedTask, replies: Sequence[Any], seconds: float, peak: int) -> Measurement:
    parsed = [parse_answer(reply["choices"][0]["message"]["content"], loaded.task.label_names) for reply in replies]
    return Measurement(seconds, [p.labels[0] if p.valid else "" for p in parsed], peak, 0.0, 0)


if __name__ == "__main__":
    answer_job(measure)
