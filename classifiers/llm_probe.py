"""A logistic regression on what a prompted LLM holds in mind: between prompting and LoRA, on the very same GGUF.

The model reads the prompt of `llama_cpp` and writes nothing. Its last layer's output at the last token, where its
answer would begin, is one vector per message, and a head is fitted on those of the training messages. Prompting asks
whether the model can say the label; this row asks whether it knows it.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from classifiers.errors import BenchError
from classifiers.finetune.saved import read_state
from classifiers.heads.logistic import Model, fit_logistic, label_probabilities, n_weights, read_head
from classifiers.heads.multilabel import decide
from classifiers.heads.strength import Search
from classifiers.interface import (
    Attempt,
    Classifier,
    Details,
    FetchReport,
    Listener,
    Message,
    ModelFile,
    Prediction,
    Settings,
    Task,
    Trial,
    quiet,
    silent,
)
from classifiers.llm.engine.opening import open_reader
from classifiers.llm.prompting.answer_form import unanswerable
from classifiers.llm.prompting.prompt import Turn, conversation
from classifiers.models.cache import local_model

if TYPE_CHECKING:
    from classifiers.llm.engine.hidden_states import HiddenStates, States
    from classifiers.llm.prompting.chat import Chat

HEAD, STATE = "head.skops", "llm_probe.json"
STRENGTHS = (0.001, 0.01, 0.1, 1.0, 10.0)
"""The inverse strengths C that are tried: lower than for embeddings of length 1, whose lowest, 0.1, was the best of all
on the states of a 135M model."""
PROBES = "A", "1"
"""Two messages that differ from their first letter on: what their prompts share, all prompts share."""


class LlmProbeSettings(Settings):
    """Which GGUF reads the messages, behind which prompt, and what is tried for the head.

    `prompt`: `labels` is the prompt of `llama_cpp`, with instruction, labels and definitions; `message` is the message
    alone. `strengths` are the inverse regularisation strengths C that are tried, on validation or by cross-validation.
    `context` is the KV cells all messages of a batch share, `parallel` the messages and `batch` the tokens decoded
    together.
    """

    model: str = "smollm2-135m-instruct"
    prompt: Literal["labels", "message"] = "labels"
    strengths: tuple[float, ...] = Field(default=STRENGTHS, min_length=1)
    max_iterations: int = Field(default=1000, gt=0)
    context: int = Field(default=4096, ge=256)
    parallel: int = Field(default=64, ge=1, le=255)
    batch: int = Field(default=512, ge=16)


class Fitted(BaseModel):
    """What `save` writes beside the head."""

    model_config = ConfigDict(frozen=True)
    labels: tuple[str, ...]
    models: tuple[ModelFile, ...]
    thresholds: tuple[float, ...]
    trials: tuple[Trial, ...] = ()


@dataclass(frozen=True, slots=True)
class _Read:
    """Messages as the model read them: a state, the number of tokens and whether the end was cut off, per message."""

    states: States
    n_tokens: list[int]
    is_cut: list[bool]


class LlmProbe(Classifier[LlmProbeSettings]):
    """A frozen LLM under a linear head."""

    settings_type = LlmProbeSettings
    batch_size = 64
    task: Task
    fitted: Fitted
    head: Model

    def __init__(self, settings: LlmProbeSettings | None = None, *, seed: int = 0, threads: int = 1) -> None:
        super().__init__(settings, seed=seed, threads=threads)
        self._reader: HiddenStates | None = None
        self._chat: Chat | None = None
        self._models: tuple[ModelFile, ...] = ()

    def supports(self, task: Task) -> str | None:
        """Refuse labels that a prompt cannot tell apart."""
        return unanswerable(task) if self.settings.prompt == "labels" else None

    def fetch(self, report: FetchReport = quiet) -> None:
        """Have the GGUF on this machine, and see that it is one."""
        local_model(self.settings.model, "gguf", report=report)

    def model_files(self) -> tuple[ModelFile, ...]:
        """Return the GGUF."""
        return local_model(self.settings.model, "gguf").files

    def load(self) -> None:
        """Read the weights and make the context.

        Raises:
            BenchError: if llama-cpp-python is missing or cannot read the file.
        """
        self._reader, self._models = open_reader("llm_probe", self.settings, self.threads)
        from classifiers.llm.prompting.chat import Chat

        self._chat = Chat(self._reader)

    def fit(
        self,
        task: Task,
        train: Sequence[Message],
        validation: Sequence[Message],
        *,
        listen: Listener = silent,
    ) -> None:
        """Read all messages; the strength is the one right most often on validation, or in cross-validation."""
        self._take_up(task)
        parts = tuple((self._read([m.text for m in part]).states, part) for part in (train, validation))
        search = Search(self.settings.strengths, self.settings.max_iterations, self.seed)
        logistic = fit_logistic(task, (parts[0], parts[1]), search, listen=listen, vectorise=_standardise)
        self.head = logistic.model
        self.fitted = Fitted(
            labels=task.label_names, models=self._models, thresholds=logistic.thresholds, trials=logistic.trials
        )

    def predict(self, texts: Sequence[str]) -> Iterator[Prediction]:
        """Return the labels of each text with every label's probability."""
        if not texts:  # scikit-learn refuses an empty batch
            return
        read = self._read(texts)
        rows = label_probabilities(self.head, read.states, self.task).tolist()
        for row, n_tokens, is_cut in zip(rows, read.n_tokens, read.is_cut, strict=True):
            labels = decide(row, self.task, self.fitted.thresholds)
            attempt = Attempt(", ".join(labels), labels, valid=True, prompt_tokens=n_tokens)
            probabilities = dict(zip(self.task.label_names, row, strict=True))
            yield Prediction(labels, probabilities=probabilities, attempts=(attempt,), truncated=is_cut)

    def save(self, folder: Path) -> None:
        """Write the head (skops) and what it was fitted on; the GGUF is named by its hash and not copied."""
        from skops.io import dump

        dump(self.head, folder / HEAD)
        (folder / STATE).write_text(self.fitted.model_dump_json(), encoding="utf-8")

    def load_from(self, folder: Path, task: Task) -> None:
        """Load the GGUF and read the head.

        Raises:
            BenchError: if the folder holds no whole head, or one of another task or another GGUF.
        """
        self.fitted = read_state(folder / STATE, Fitted)
        if self.fitted.labels != task.label_names:
            raise BenchError(f"the head in {folder} was fitted on other labels")
        self.head = read_head(folder / HEAD, task)
        self.load()
        if self._models != self.fitted.models:
            raise BenchError(
                f"the head in {folder} was fitted on another file than '{self.settings.model}' is now; "
                "run the benchmark again"
            )
        self._take_up(task)

    def close(self) -> None:
        """Free the model."""
        if self._reader is not None:
            self._reader.close()
        self._reader = self._chat = None

    def details(self) -> Details:
        """Name the GGUF, the prompt that was read, and the strengths tried."""
        from llama_cpp import __version__

        reader = self.reader
        shown = self._turns("⟨the message⟩")
        return Details(
            model=self._models[0].name,
            models=self._models,
            n_parameters=reader.model.n_parameters + n_weights(self.head[-1]),
            trials=self.fitted.trials,
            prompt="\n".join(f"[{turn.role}] {turn.content}" for turn in shown),
            stages=reader.stages,
            metadata={
                "prompt": self.settings.prompt,
                "width": reader.width,
                "shared_prompt_tokens": reader.prefix_length,
                "llama_cpp_python": __version__,
            },
        )

    @property
    def reader(self) -> HiddenStates:
        """Return the model in memory; there is one between `load` and `close`."""
        assert self._reader is not None, "load it first"
        return self._reader

    def _take_up(self, task: Task) -> None:
        """Decode once what the prompts of all messages have in common."""
        self.task = task
        first, second = (self._tokens(text)[0] for text in PROBES)
        self.reader.hold_common(first, second)

    def _turns(self, text: str) -> tuple[Turn, ...]:
        if self.settings.prompt == "message":
            return (Turn("user", "", text, is_question=True),)
        return conversation(self.task, text)

    def _tokens(self, text: str) -> tuple[list[int], bool]:
        """Return a prompt's tokens, and whether the message was cut to fit."""
        assert self._chat is not None, "load it first"
        room = min(self.reader.context, self.reader.model.trained_context)
        return self._chat.tokens(self._turns(text), room=room)

    def _read(self, texts: Sequence[str]) -> _Read:
        prompts = [self._tokens(text) for text in texts]
        states = self.reader.last_states([tokens for tokens, _ in prompts])
        return _Read(states, [len(tokens) for tokens, _ in prompts], [is_cut for _, is_cut in prompts])


def _standardise(states: Any) -> tuple[Any, Any]:
    """Bring every dimension to mean 0 and variance 1: a few of an LLM's are a hundred times as large as the others."""
    from sklearn.preprocessing import StandardScaler

    scaler = StandardScaler().fit(states)
    return scaler, scaler.transform(states)
