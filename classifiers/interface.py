"""What a classifier is: the page to read before writing a backend.

A backend is one file with one class that derives from `Classifier`. It follows scikit-learn's
words: the constructor only stores settings, `load` brings weights into memory, `fit` learns (or
builds the prompt), `predict` answers. A backend knows nothing of runs, result files or tables,
and never times itself for the tables: the runner owns the clock.

All types here are plain, frozen and free of heavy imports, so that listing backends and checking
a config needs no model and no framework. The records that only describe are in `classifiers.details`;
all names a backend needs can be imported from here.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from types import TracebackType
from typing import ClassVar, Generic, Protocol, TypeVar, runtime_checkable

from pydantic import BaseModel, ConfigDict
from typing_extensions import Self

# re-exported, so that a backend author needs one module
from classifiers.details import Details as Details
from classifiers.details import ModelFile as ModelFile
from classifiers.details import Stage as Stage
from classifiers.details import Trial as Trial


@dataclass(frozen=True, slots=True)
class Label:
    """One label of a task; the definition is a sentence a person or an LLM can decide by."""

    name: str
    definition: str = ""


@dataclass(frozen=True, slots=True)
class Task:
    """What is to be decided, without any message: enough to build a zero-shot prompt.

    `max_labels` is how many labels a message may have: with 1 it has exactly one, above that none up to this number.
    """

    name: str
    labels: tuple[Label, ...]
    instruction: str = ""
    max_labels: int = 1

    @property
    def label_names(self) -> tuple[str, ...]:
        """Return the label names in the task's order, the order of every table and matrix."""
        return tuple(label.name for label in self.labels)

    @property
    def takes_several(self) -> bool:
        """Tell whether a message may have none or several labels."""
        return self.max_labels > 1

    def without(self, name: str) -> Task:
        """Return the task as it is for those who are not told of one of its labels."""
        return replace(self, labels=tuple(label for label in self.labels if label.name != name))


@dataclass(frozen=True, slots=True)
class Message:
    """One short text with its gold labels; `columns` holds the data set's other columns.

    `group` is what it has in common with others, such as its customer; empty where nothing is known of that.
    """

    id: str
    text: str
    labels: tuple[str, ...]
    columns: Mapping[str, str] = field(default_factory=dict)
    group: str = ""

    @property
    def label(self) -> str:
        """Return the only label; single-label code says so by using this.

        Raises:
            ValueError: if the message has none or several.
        """
        (label,) = self.labels
        return label


@dataclass(frozen=True, slots=True)
class Attempt:
    """One try at one message: what came back and how it was understood.

    `seconds` is this attempt's share of the wall time of the call it was part of; `thinking_tokens` are
    those of the completion that stand in a `<think>` block, which is left out when the answer is read.
    """

    raw: str
    labels: tuple[str, ...]
    valid: bool
    prompt_tokens: int = 0
    completion_tokens: int = 0
    seconds: float = 0.0
    thinking_tokens: int = 0


def confidence_of(labels: Sequence[str], probabilities: Mapping[str, float] | None) -> float | None:
    """Return how sure a valid answer is: the probability of its least sure decision; None without probabilities.

    Every label is a decision, taken or left. Where exactly one label is taken and the probabilities add up to 1, this
    is the probability of that label.
    """
    if not probabilities:
        return None
    return min(p if name in labels else 1 - p for name, p in probabilities.items())


@dataclass(frozen=True, slots=True)
class Prediction:
    """The answer to one message; an invalid one has no labels, and none is made up for it.

    `truncated` says that the text did not fit the model and its end was cut off.
    """

    labels: tuple[str, ...]
    valid: bool = True
    probabilities: Mapping[str, float] | None = None
    attempts: tuple[Attempt, ...] = ()
    truncated: bool = False

    def __post_init__(self) -> None:
        if not self.valid and self.labels:
            raise ValueError("an invalid prediction must not carry labels")

    @property
    def confidence(self) -> float | None:
        """Return how sure the answer is, None where it is none or there are no probabilities."""
        return confidence_of(self.labels, self.probabilities) if self.valid else None


@dataclass(frozen=True, slots=True)
class Epoch:
    """What one pass over the training part gave; None where a figure was not measured."""

    epoch: int
    train_loss: float | None = None
    train_accuracy: float | None = None
    validation_loss: float | None = None
    validation_accuracy: float | None = None


@dataclass(frozen=True, slots=True)
class Progress:
    """Work done so far inside one call, in whatever unit `total` counts."""

    done: float
    total: float


Listener = Callable[[Epoch | Progress], None]


def silent(_: Epoch | Progress) -> None:
    """Ignore what a classifier tells while it learns."""


FetchReport = Callable[[str, int, int], None]
"""Told (what, bytes done, bytes in all or 0) while a model is fetched."""


def quiet(_what: str, _done: int, _total: int) -> None:
    """Ignore how far a fetch has come."""


class Settings(BaseModel):
    """A backend's settings: typed and closed, so that a misspelt key is an error."""

    model_config = ConfigDict(extra="forbid", frozen=True, protected_namespaces=())


S = TypeVar("S", bound=Settings)


class Classifier(ABC, Generic[S]):
    """Base of every backend; `fit` and `predict` are all that must be written.

    Args:
        settings: an instance of the class's `settings_type`.
        seed: the seed of everything random in this classifier.
        threads: processor threads it may use.
    """

    settings_type: ClassVar[type[Settings]] = Settings
    batch_size: int = 64
    """Messages the runner hands to one `predict` call when it measures throughput."""
    learns_from_labels: ClassVar[bool] = True
    """Whether `fit` looks at the labels of its messages; few messages are drawn label by label only for those."""
    is_prompted: ClassVar[bool] = False
    """Whether `load_from` writes its prompt anew from the task, so that the task can be put to it in other words."""

    def __init__(self, settings: S | None = None, *, seed: int = 0, threads: int = 1) -> None:
        self.settings: S = settings or self.settings_type()  # type: ignore[assignment]
        self.seed = seed
        self.threads = threads

    def supports(self, task: Task) -> str | None:
        """Return the reason why this classifier cannot do `task`, or None where it can."""
        return None

    def fetch(self, report: FetchReport = quiet) -> None:
        """Make every file it needs lie on this machine.

        Raises:
            BenchError: if one is not available; the line says which and what to do.
        """

    def model_files(self) -> tuple[ModelFile, ...]:
        """Return the model files that it will run, with hashes; asked after `fetch`, before anything is loaded.

        A changed file makes a run's cell another cell, of which nothing old is kept.
        """
        return ()

    def load(self) -> None:
        """Bring weights into memory; called once, before `fit` or after `load_from`'s settings."""

    @abstractmethod
    def fit(
        self,
        task: Task,
        train: Sequence[Message],
        validation: Sequence[Message],
        *,
        listen: Listener = silent,
    ) -> None:
        """Learn from `train`, tune on `validation`; either may be empty for a zero-shot backend."""

    @abstractmethod
    def predict(self, texts: Sequence[str]) -> Iterator[Prediction]:
        """Return exactly one prediction per text, in the order of the texts."""

    def close(self) -> None:
        """Free what `load` and `fit` took."""

    def details(self) -> Details:
        """Return what the record should say of it; asked after `fit` or `load_from`."""
        return Details()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()


@runtime_checkable
class Saveable(Protocol):
    """A classifier that can be written to a folder and taken up again without `fit`."""

    def save(self, folder: Path) -> None:
        """Write everything `load_from` needs into `folder`, which exists and is empty."""

    def load_from(self, folder: Path, task: Task) -> None:
        """Take up what `save` wrote; replaces `load` and `fit`."""


@runtime_checkable
class Remembering(Protocol):
    """A classifier that answered validation messages in `fit` as it answers now: they need not be asked once more."""

    def remembered(self, texts: Sequence[str]) -> Mapping[str, Prediction]:
        """Return these answers by text, of the texts that have one."""


@runtime_checkable
class Recorded(Protocol):
    """A classifier whose answers were given before the run: it is asked by message, and its times are not recorded."""

    def check_messages(self, task: Task, test: Sequence[Message], others: Sequence[Message]) -> None:
        """See, before anything runs, that it can answer the test part and knows no message beside `test` and `others`.

        Raises:
            BenchError: if not; the line says which message or which answer.
        """

    def answered(self, messages: Sequence[Message]) -> list[Message]:
        """Return the messages that it has answers to."""

    def answers_of(self, messages: Sequence[Message]) -> Iterator[Prediction]:
        """Return exactly one prediction per message, in order; takes the place of `predict`."""
