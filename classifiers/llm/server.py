"""Prompts a model behind any OpenAI-compatible endpoint: vLLM, llama-server, Ollama.

This is how a big model or many machines are used: the server is the engine, batching included, and
this backend only keeps `concurrency` questions under way.
"""

from __future__ import annotations

import json
import time
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import Any

from classifiers.errors import BenchError
from classifiers.interface import (
    Attempt,
    Classifier,
    Details,
    FetchReport,
    Listener,
    Message,
    Prediction,
    Task,
    quiet,
    silent,
)
from classifiers.llm.client import Send, ServerClient, address_of
from classifiers.llm.completion import completion, label_shares
from classifiers.llm.decisions import MAX_OPTIONS, PROBE_TASK, REFUSAL, Decided, decision
from classifiers.llm.prompting.answer_form import form_of, readable_names, unanswerable
from classifiers.llm.prompting.examples import draw_per_label, saved_message
from classifiers.llm.prompting.prompt import Turn, conversation
from classifiers.llm.prompting.retry import Conversation, Reply, ask_with_retries
from classifiers.llm.server_settings import ServerSettings

FILE = "prompt.json"
TOP_TOKENS = 20
PROBE = (Turn("user", "Answer with the word yes."),)
SCHEMA_ROOM = 20
"""Tokens for the object around an answer that is held to a schema."""


class Server(Classifier[ServerSettings]):
    """A language model that somebody serves."""

    settings_type = ServerSettings
    batch_size = 64
    is_prompted = True
    _client: ServerClient | None = None

    def __init__(self, settings: ServerSettings | None = None, *, seed: int = 0, threads: int = 1) -> None:
        super().__init__(settings, seed=seed, threads=threads)
        self._first_tokens: dict[str, Mapping[str, float]] = {}

    def supports(self, task: Task) -> str | None:
        """Refuse what cannot be asked: a list's first token, say, tells nothing of its labels."""
        if self.settings.answers == "decisions":
            n = len(task.labels)
            too_many = f"a decision has at most {MAX_OPTIONS} options, and the task {n} labels; use 'text'"
            return too_many if n > MAX_OPTIONS else None
        if reason := unanswerable(task):
            return reason
        if task.takes_several and self.settings.answers == "logprobs":
            return "answers = 'logprobs' needs messages of one label each; use 'json' or 'text'"
        return None

    def fetch(self, report: FetchReport = quiet) -> None:
        """See that the server answers a request like the ones to come, which is all that is needed of it.

        Raises:
            BenchError: if it does not; the line names the server and its reason.
        """
        report(address_of(self.settings.base_url), 0, 0)
        try:
            self._held_client.probe(self._probe())
        finally:
            self.close()

    def load(self) -> None:
        """Open the client that all calls share.

        Raises:
            BenchError: if the openai package is missing.
        """
        self._held_client  # noqa: B018 - made at its first use

    def close(self) -> None:
        """Close the client's connections."""
        if self._client is not None:
            self._client.close()
            self._client = None

    def fit(
        self,
        task: Task,
        train: Sequence[Message],
        validation: Sequence[Message],
        *,
        listen: Listener = silent,
    ) -> None:
        """Draw the worked examples, if any are wanted."""
        self.task = task
        self.examples = draw_per_label(task, train, self.settings.examples_per_label, self.seed)

    def predict(self, texts: Sequence[str]) -> Iterator[Prediction]:
        """Ask about all texts, `concurrency` at a time, and again where the answer was no label."""
        if self.settings.answers == "decisions":
            yield from self._decisions(texts)
            return
        self._first_tokens = {}
        conversations = [
            conversation(self.task, text, prompt_template=self.settings.prompt_template, examples=self.examples)
            for text in texts
        ]
        ledger = ask_with_retries(
            conversations,
            self._ask,
            form_of(self.task),
            temperatures=self.settings.temperatures,
        )
        if self.settings.answers == "json":
            self._check_schema_held([attempt.raw for attempts in ledger for attempt in attempts])
        for text, attempts in zip(texts, ledger, strict=True):
            probabilities = label_shares(self.task, self._first_tokens.get(text, {}))
            yield Prediction(attempts[-1].labels, attempts[-1].valid, probabilities, attempts)

    def save(self, folder: Path) -> None:
        """Write the examples."""
        rows = [[m.id, m.text, m.labels] for m in self.examples]
        (folder / FILE).write_text(json.dumps(rows, ensure_ascii=False), encoding="utf-8")

    def load_from(self, folder: Path, task: Task) -> None:
        """Read the examples again."""
        rows = json.loads((folder / FILE).read_text(encoding="utf-8"))
        self.task, self.examples = task, [saved_message(*row) for row in rows]

    def details(self) -> Details:
        """Name server and model, and say what cannot be vouched for: files, memory and machine of the server."""
        address = address_of(self.settings.base_url)
        return Details(
            model=self.settings.model,
            n_labelled=len(self.examples),
            max_attempts=1 if self.settings.answers == "decisions" else len(self.settings.temperatures),
            uses_definitions=any(label.definition for label in self.task.labels),
            runs_elsewhere=True,
            notes=(f"answered by the server at {address}: its files, memory and machine are not measured",),
            metadata={"server": address, "concurrency": self.settings.concurrency},
        )

    @property
    def _held_client(self) -> ServerClient:
        """Return the client, made at the first call; `close` ends it."""
        if self._client is None:
            settings = self.settings
            self._client = ServerClient(
                settings.base_url,
                key_variable=settings.key_variable,
                timeout_seconds=settings.timeout_seconds,
                retries=settings.connection_retries,
            )
        return self._client

    def _probe(self) -> Send[Any]:
        if self.settings.answers == "decisions":
            return self._decision(PROBE_TASK, "hello")
        return completion(PROBE, self._options(self.settings.temperatures[0], is_probe=True))

    def _decision(self, task: Task, text: str) -> Send[Decided]:
        settings = self.settings
        return decision(settings.decision_form, task, text, {"model": settings.model, **settings.request})

    def _decisions(self, texts: Sequence[str]) -> Iterator[Prediction]:
        """Have all texts decided on; where the model declined, the answer is none."""
        started = time.perf_counter()
        with ThreadPoolExecutor(self.settings.concurrency) as pool:
            client = self._held_client
            decisions = list(pool.map(lambda text: client.call(self._decision(self.task, text)), texts))
        seconds = (time.perf_counter() - started) / max(len(texts), 1)
        for made in decisions:
            raw = ", ".join(made.labels) if made.valid else REFUSAL
            attempt = Attempt(raw, made.labels, made.valid, made.prompt_tokens, made.completion_tokens, seconds)
            yield Prediction(made.labels, made.valid, made.probabilities, (attempt,))

    def _ask(self, conversations: Sequence[Conversation], *, temperature: float) -> list[Reply]:
        with ThreadPoolExecutor(self.settings.concurrency) as pool:
            return list(pool.map(partial(self._ask_one, temperature), conversations))

    def _ask_one(self, temperature: float, turns: Conversation) -> Reply:
        reply, top = self._held_client.call(completion(turns, self._options(temperature)))
        if top and temperature == self.settings.temperatures[0]:
            self._check_probabilities(top)
            question = next(turn.message for turn in reversed(turns) if turn.is_question)
            self._first_tokens[question] = top
        return reply

    def _options(self, temperature: float, *, is_probe: bool = False) -> dict[str, Any]:
        """Return a request's parameters: `request` adds or replaces some, `leave_out` names those not sent."""
        settings = self.settings
        options: dict[str, Any] = {"temperature": temperature, "seed": self.seed, "max_tokens": settings.max_tokens}
        if settings.answers == "json" and not is_probe:
            options["response_format"] = self._schema()
            room = len(form_of(self.task).longest.encode()) + SCHEMA_ROOM
            options["max_tokens"] = max(settings.max_tokens, room)
        if settings.answers == "logprobs":
            options |= {"logprobs": True, "top_logprobs": TOP_TOKENS}
        if "max_completion_tokens" in settings.request:
            del options["max_tokens"]  # the same under its newer name; servers refuse both together
        sent = {name: value for name, value in options.items() if name not in settings.leave_out}
        return {"model": settings.model, **sent, "extra_body": dict(settings.request)}

    def _check_probabilities(self, top: Mapping[str, float]) -> None:
        """See that log-probabilities are some: servers that compute none may send 0 for every alternative."""
        if sum(top.values()) > 1 + 1e-3 * len(top):
            raise BenchError(
                f"the server at {self._held_client.address} sends log-probabilities that add up to more than 1 "
                f"(all 0?), so they mean nothing; use answers = 'text' or 'json'"
            )

    def _schema(self) -> dict[str, Any]:
        key = self._schema_key
        schema = {
            "type": "object",
            "properties": {key: form_of(self.task).schema},
            "required": [key],
            "additionalProperties": False,
        }
        if self.settings.schema_form == "json_object":
            return {"type": "json_object", "schema": schema}
        return {"type": "json_schema", "json_schema": {"name": "label", "strict": True, "schema": schema}}

    @property
    def _schema_key(self) -> str:
        return "labels" if self.task.takes_several else "label"

    def _check_schema_held(self, answers: Sequence[str]) -> None:
        """See that the schema took effect: a server that does not know its form drops it without a word."""
        allowed = set(readable_names(self.task))
        for answer in answers:
            try:
                value = json.loads(answer)[self._schema_key]
                named = value if self.task.takes_several else [value]
                held = isinstance(named, list) and set(named) <= allowed
            except (ValueError, TypeError, KeyError):
                held = False
            if not held:
                raise BenchError(
                    f"the server at {self._held_client.address} does not hold answers to the schema "
                    f"(it wrote {answer[:60]!r}); try the other schema_form, a larger max_tokens, or answers = 'text'"
                )
