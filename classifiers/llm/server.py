"""Prompts a model behind any OpenAI-compatible endpoint: vLLM, llama-server, Ollama.

This is how a big model or many machines are used: the server is the engine, batching included, and
this backend only keeps `concurrency` questions under way. Time-outs and back-off are the official
client's, but for answers that are no chat completion, which it takes as they come. The key is read
from the environment and stands in no record, log or error text.
"""

from __future__ import annotations

import json
import os
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal
from urllib.parse import urlsplit

from pydantic import Field, field_validator

from classifiers.errors import BenchError
from classifiers.interface import (
    Classifier,
    Details,
    FetchReport,
    Listener,
    Message,
    Prediction,
    Settings,
    Task,
    quiet,
    silent,
)
from classifiers.llm.completion import Completion, read_completion
from classifiers.llm.prompting.answer_form import form_of, readable_names, unanswerable
from classifiers.llm.prompting.examples import draw_per_label, saved_message
from classifiers.llm.prompting.prompt import conversation
from classifiers.llm.prompting.retry import Conversation, Reply, ask_with_retries

if TYPE_CHECKING:
    from openai import OpenAI

FILE = "prompt.json"
TOP_TOKENS = 20
SCHEMA_ROOM = 20
"""Tokens for the object around an answer that is held to a schema."""
FIRST_PAUSE, LONGEST_PAUSE = 0.5, 8.0
"""Seconds until an answer that is no chat completion is asked for again; they double, as the client's do."""


class ServerSettings(Settings):
    """Where the server is and how it is asked.

    `answers`: free text with retries; `json`, held to a JSON schema of the labels by the server (said in the
    way of `schema_form`: OpenAI, vLLM, llama-server and Ollama take json_schema, llama_cpp.server json_object);
    `logprobs`, free text and label probabilities from the first token's alternatives. `connection_retries`
    counts tries after a time-out, a dropped connection, 429, 5xx or an answer that is no chat completion;
    `temperatures` are those of the tries at an answer that is a label.
    """

    base_url: str
    model: str = Field(default="default", description="the name the server knows the model by")
    key_variable: str = "OPENAI_API_KEY"
    answers: Literal["text", "json", "logprobs"] = "text"
    schema_form: Literal["json_schema", "json_object"] = "json_schema"
    examples_per_label: int = Field(default=0, ge=0)
    prompt_template: str = "plain"
    concurrency: int = Field(default=8, ge=1)
    timeout_seconds: float = Field(default=120, gt=0)
    connection_retries: int = Field(default=8, ge=0)
    max_tokens: int = Field(default=32, gt=0)
    temperatures: tuple[float, ...] = Field(default=(0.0, 0.3, 0.6, 0.9), min_length=1)

    @field_validator("base_url")
    @classmethod
    def _holds_no_key(cls, url: str) -> str:
        """A run keeps its config, so a password in it would stand in a file."""
        parts = urlsplit(url)
        _ = parts.port  # raises ValueError where it is no number
        if "@" in parts.netloc:
            raise ValueError("must hold no user name or password; put the key in the variable key_variable names")
        return url


class Server(Classifier[ServerSettings]):
    """A language model that somebody serves."""

    settings_type = ServerSettings
    batch_size = 64

    def supports(self, task: Task) -> str | None:
        """Probabilities of a list's first token say nothing of its labels."""
        if reason := unanswerable(task):
            return reason
        if task.takes_several and self.settings.answers == "logprobs":
            return "answers = 'logprobs' needs messages of one label each; use 'json' or 'text'"
        return None

    def fetch(self, report: FetchReport = quiet) -> None:
        """See that the server answers.

        Raises:
            BenchError: if it does not.
        """
        report(self._address, 0, 0)
        self._call(lambda client: client.with_options(max_retries=0, timeout=10).models.list())

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
        self._first_tokens: dict[str, Mapping[str, float]] = {}
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
            probabilities = self._probabilities(self._first_tokens.get(text, {}))
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
        return Details(
            model=self.settings.model,
            n_labelled=len(self.examples),
            max_attempts=len(self.settings.temperatures),
            runs_elsewhere=True,
            notes=(f"answered by the server at {self._address}: its files, memory and machine are not measured",),
            metadata={"server": self._address, "concurrency": self.settings.concurrency},
        )

    @property
    def _address(self) -> str:
        """Give the server's address without any user name or password in it."""
        parts = urlsplit(self.settings.base_url)
        return f"{parts.scheme}://{parts.hostname}" + (f":{parts.port}" if parts.port else "") + parts.path

    def _call(self, ask: Any) -> Any:
        """Call the server through the official client; raises BenchError without the key in it."""
        try:
            import openai
        except ImportError as error:
            raise BenchError("backend 'server' needs the openai package; install it with: make setup") from error
        key = os.environ.get(self.settings.key_variable, "")
        client: OpenAI = openai.OpenAI(
            base_url=self.settings.base_url,
            api_key=key or "none",
            timeout=self.settings.timeout_seconds,
            max_retries=self.settings.connection_retries,
        )
        try:
            with client:
                return ask(client)
        except (openai.OpenAIError, ValueError) as error:  # ValueError: an answer that is no JSON, or no completion
            said = str(error).replace(key, "***") if key else str(error)  # before it is cut, perhaps in the key
            reason = " ".join(said.split())[:300] or type(error).__name__
            # `from None`: the original error carries the request with its headers
            raise BenchError(f"the server at {self._address} failed: {reason}") from None

    def _ask(self, conversations: Sequence[Conversation], *, temperature: float) -> list[Reply]:
        def all_of_them(client: OpenAI) -> list[Reply]:
            one = partial(self._ask_one, client, temperature)
            with ThreadPoolExecutor(self.settings.concurrency) as pool:
                return list(pool.map(one, conversations))

        replies: list[Reply] = self._call(all_of_them)
        return replies

    def _ask_one(self, client: OpenAI, temperature: float, turns: Conversation) -> Reply:
        options: dict[str, Any] = {}
        room = 0
        if self.settings.answers == "json":
            options["response_format"] = self._schema()
            room = len(form_of(self.task).longest.encode()) + SCHEMA_ROOM
        if self.settings.answers == "logprobs":
            options |= {"logprobs": True, "top_logprobs": TOP_TOKENS}
        messages: Any = [{"role": turn.role, "content": turn.text + turn.message} for turn in turns]
        create = partial(
            client.chat.completions.create,
            model=self.settings.model,
            messages=messages,
            temperature=temperature,
            max_tokens=max(self.settings.max_tokens, room),
            seed=self.seed,
            **options,
        )
        reply, top = self._until_readable(lambda: read_completion(create()))
        if top and temperature == self.settings.temperatures[0]:
            question = next(turn.message for turn in reversed(turns) if turn.is_question)
            self._first_tokens[question] = top
        return reply

    def _until_readable(self, ask: Callable[[], Completion]) -> Completion:
        """Ask again, ever later, where what comes is no chat completion; the last try's ValueError is raised."""
        for i in range(self.settings.connection_retries):
            try:
                return ask()
            except ValueError:
                time.sleep(min(FIRST_PAUSE * 2**i, LONGEST_PAUSE))
        return ask()

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
                    f"the server at {self._address} does not hold answers to the schema (it wrote {answer[:60]!r}); "
                    "try the other schema_form, a larger max_tokens, or answers = 'text'"
                )

    def _probabilities(self, first_tokens: Mapping[str, float]) -> dict[str, float] | None:
        """Share out the first token's alternatives among the labels that begin so; None where that is ambiguous."""
        shares = dict.fromkeys(self.task.label_names, 0.0)
        readable = dict(zip(self.task.label_names, readable_names(self.task), strict=True))
        for token, share in first_tokens.items():
            start = token.strip().casefold()
            begun = [name for name, text in readable.items() if start and text.casefold().startswith(start)]
            if len(begun) > 1:
                return None
            for name in begun:
                shares[name] += share
        total = sum(shares.values())
        return {name: share / total for name, share in shares.items()} if total > 0 else None
