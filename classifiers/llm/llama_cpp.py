"""Prompts a GGUF model in this process with llama.cpp; retries answers that are no label."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from pydantic import Field

from classifiers.interface import (
    BenchError,
    Classifier,
    FetchReport,
    Listener,
    Message,
    ModelFile,
    Prediction,
    Settings,
    Task,
    quiet,
    silent,
)
from classifiers.llm.gguf_file import check_gguf
from classifiers.llm.parse import parse_answer
from classifiers.llm.prompt import question
from classifiers.llm.retry import Conversation, Reply, ask_with_retries
from classifiers.models import local_model

if TYPE_CHECKING:
    from classifiers.llm.chat import Chat
    from classifiers.llm.engine import Engine


class LlamaCppSettings(Settings):
    """How the model is prompted.

    `context` is the KV cells all sequences share and `parallel` the sequences decoded together;
    `temperatures` is one a try: the first, then each retry's.
    """

    model: str = "qwen2.5-coder-1.5b-instruct"
    context: int = Field(4096, ge=256)
    parallel: int = Field(16, ge=1, le=255)
    batch: int = Field(512, ge=16)
    max_tokens: int = Field(48, gt=0)
    retries: int = Field(3, ge=0, le=10)
    retry_temperatures: tuple[float, ...] = Field((0.3, 0.6, 0.9), min_length=1)

    @property
    def temperatures(self) -> tuple[float, ...]:
        """Give the temperature of each try; the last retry temperature serves any further ones."""
        rising = self.retry_temperatures
        return (0.0, *(rising[min(i, len(rising) - 1)] for i in range(self.retries)))


class LlamaCpp(Classifier[LlamaCppSettings]):
    """A local LLM, prompted with the labels and their definitions; temperature 0, fixed seed."""

    settings_type = LlamaCppSettings
    batch_size = 32
    engine: Engine
    chat: Chat

    def fetch(self, report: FetchReport = quiet) -> None:
        """Have the GGUF on this machine, and see that it is one.

        Raises:
            BenchError: if it cannot be had, is no GGUF or is cut off.
        """
        check_gguf(local_model(self.settings.model, "gguf", report=report).path)

    def load(self) -> None:
        """Read the weights and make the context.

        Raises:
            BenchError: if llama-cpp-python is missing or cannot read the file.
        """
        try:
            from classifiers.llm.chat import Chat
            from classifiers.llm.engine import Engine
        except ImportError as error:
            raise BenchError("backend 'llama_cpp' needs llama-cpp-python; install it with: make setup") from error
        local = local_model(self.settings.model, "gguf")
        self._models = local.files
        chosen = self.settings
        self.engine = Engine(
            local.path, context=chosen.context, parallel=chosen.parallel, batch=chosen.batch, threads=self.threads
        )
        self.chat = Chat(self.engine)

    def fit(
        self,
        task: Task,
        train: Sequence[Message],
        validation: Sequence[Message],
        *,
        listen: Listener = silent,
    ) -> None:
        """Build the prompt and decode the part of it that all messages share."""
        self.task = task
        first, second = (self._tokens(question(task, text))[0] for text in ("A", "1"))
        from classifiers.llm.engine import common_length

        self.engine.hold(first[: common_length(first, second)])

    def predict(self, texts: Sequence[str]) -> Iterator[Prediction]:
        """Ask about all texts together, and again where the answer was no label."""
        names = self.task.label_names
        conversations = [question(self.task, text) for text in texts]
        cut = [self._tokens(conversation)[1] for conversation in conversations]
        ledger = ask_with_retries(
            conversations,
            self._ask,
            partial(parse_answer, names=names),
            names,
            temperatures=self.settings.temperatures,
        )
        for attempts, truncated in zip(ledger, cut, strict=True):
            last = attempts[-1]
            yield Prediction(last.labels, last.valid, attempts=attempts, truncated=truncated)

    def save(self, folder: Path) -> None:
        """Write nothing: the prompt is made of the task and the settings."""

    def load_from(self, folder: Path, task: Task) -> None:
        """Load the weights and build the prompt again."""
        self.load()
        self.fit(task, (), ())

    def close(self) -> None:
        """Free the model."""
        if engine := vars(self).pop("engine", None):
            engine.close()

    @property
    def models(self) -> tuple[ModelFile, ...]:
        """Give the GGUF that ran."""
        return self._models

    @property
    def max_attempts(self) -> int:
        """Count the first try and the retries."""
        return 1 + self.settings.retries

    @property
    def n_parameters(self) -> int | None:
        """Count the model's parameters."""
        return self.engine.n_parameters

    @property
    def facts(self) -> Mapping[str, str | int | float]:
        """Name what answers at temperature 0 can still depend on: batch, sequences, build."""
        from llama_cpp import __version__

        chosen = self.settings
        return {
            "model": self._models[0].name,
            "llama_cpp_python": __version__,
            "parallel": chosen.parallel,
            "batch": chosen.batch,
            "shared_prompt_tokens": self.engine.prefix_length,
        }

    def _tokens(self, conversation: Conversation) -> tuple[list[int], bool]:
        room = min(self.engine.context, self.engine.trained_context) - self.settings.max_tokens
        return self.chat.tokens(conversation, room=room)

    def _ask(self, conversations: Sequence[Conversation], *, temperature: float) -> list[Reply]:
        from classifiers.llm.engine import Request

        prompts = [self._tokens(conversation)[0] for conversation in conversations]
        requests = [Request(p, self.settings.max_tokens, temperature, self.seed) for p in prompts]
        written = self.engine.generate(requests)
        return [
            Reply(self.engine.detokenize(answer), len(prompt), len(answer))
            for prompt, answer in zip(prompts, written, strict=True)
        ]
