"""Prompts a GGUF model in this process with llama.cpp; how it is asked can be tuned on validation."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict
from functools import partial
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from classifiers.errors import BenchError
from classifiers.exporting import Deployment, Wanted
from classifiers.interface import (
    Classifier,
    Details,
    FetchReport,
    Listener,
    Message,
    ModelFile,
    Prediction,
    Task,
    Trial,
    quiet,
    silent,
)
from classifiers.llm.engine.opening import open_engine
from classifiers.llm.prompting.answer_form import unanswerable
from classifiers.llm.prompting.settings import Choice, LlamaCppSettings
from classifiers.models.cache import local_model
from classifiers.plurals import number_of

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from classifiers.llm.engine.engine import Engine
    from classifiers.llm.prompting.chat import Chat
    from classifiers.llm.prompting.examples import SimilarMessages
    from classifiers.llm.prompting.strategy import Strategy

FILE = "prompt.json"


class LlamaCpp(Classifier[LlamaCppSettings]):
    """A local LLM, prompted with the labels and their definitions; temperature 0, fixed seed."""

    settings_type = LlamaCppSettings
    batch_size = 32
    is_prompted = True
    _engine: Engine | None = None
    _chat: Chat | None = None
    _strategy: Strategy | None = None
    _similar: SimilarMessages | None = None
    _models: tuple[ModelFile, ...] = ()
    _trials: tuple[Trial, ...] = ()
    _search_note: str = ""
    _unfinished: str = ""
    _asked: Mapping[str, Prediction] = MappingProxyType({})

    @property
    def engine(self) -> Engine:
        """Return the model in memory; there is one between `load` and `close`."""
        assert self._engine is not None, "load it first"
        return self._engine

    @property
    def strategy(self) -> Strategy:
        """Return the way of asking; there is one after `fit` or `load_from`."""
        assert self._strategy is not None, "fit it first"
        return self._strategy

    def supports(self, task: Task) -> str | None:
        """Batch calibration takes the labels for equally common, which several of a message are not."""
        if reason := unanswerable(task):
            return reason
        if task.takes_several and self.settings.calibration == "batch":
            return "calibration = 'batch' needs messages of one label each; use 'contextual'"
        asks_yes_no = task.takes_several and self.settings.mode == "score"
        has_one_template = asks_yes_no or self.settings.mode == "letters"
        if has_one_template and (self.settings.prompt_variants or self.settings.prompt_template != "plain"):
            kind = "yes/no questions" if asks_yes_no else "lettered options"
            return f"{kind} have one template; leave out prompt_template and prompt_variants"
        if asks_yes_no and self.settings.thinking:
            return "yes/no questions (mode = 'score') are answered at once; leave out thinking, or use mode = 'grammar'"
        if task.takes_several and self.settings.mode == "letters":
            return "mode = 'letters' needs messages of one label each; use 'score'"
        return None

    def fetch(self, report: FetchReport = quiet) -> None:
        """Fetch the GGUF, and see that it is one.

        Raises:
            BenchError: if it is not available, is no GGUF or is cut off.
        """
        local_model(self.settings.model, "gguf", report=report)
        if self.settings.uses_similar:
            local_model(self.settings.encoder, "encoder", report=report)

    def model_files(self) -> tuple[ModelFile, ...]:
        """Return the GGUF, and the encoder that may look for similar examples."""
        files = local_model(self.settings.model, "gguf").files
        return (*files, *(local_model(self.settings.encoder, "encoder").files if self.settings.uses_similar else ()))

    def load(self) -> None:
        """Read the weights and make the context.

        Raises:
            BenchError: if llama-cpp-python is missing or cannot read the file.
        """
        self._engine, self._models = open_engine("llama_cpp", self.settings, self.threads)
        from classifiers.llm.prompting.chat import Chat

        self._chat = Chat(self._engine, thinks=self.settings.thinking > 0)

    def fit(
        self,
        task: Task,
        train: Sequence[Message],
        validation: Sequence[Message],
        *,
        listen: Listener = silent,
    ) -> None:
        """Choose how to ask where the settings say so, and decode the part of the prompt all messages share."""
        from classifiers.llm.tuning import TuningMessages, tune

        self._similar = None
        messages = TuningMessages(train, validation)
        make = partial(self._make_strategy, task, tuple(train))
        tuned = tune(self.settings.choice(self.seed), make, messages, self.settings, listen)
        self._trials, self._search_note, self._unfinished = tuned.trials, tuned.note, tuned.unfinished
        if tuned.choice.examples != "knn":
            self._similar = None  # the sentence encoder was only tried
        self._strategy = tuned.strategy or make(tuned.choice)
        self._strategy.make_ready()
        self._asked = tuned.answers()

    def remembered(self, texts: Sequence[str]) -> Mapping[str, Prediction]:
        """Return the answers of the chosen way to the validation messages that it was tried on."""
        return {text: self._asked[text] for text in texts if text in self._asked}

    def predict(self, texts: Sequence[str]) -> Iterator[Prediction]:
        """Ask about all texts together."""
        yield from self.strategy.predict(texts, seed=self.seed)

    def save(self, folder: Path) -> None:
        """Write the chosen way of asking, what was tried, the label prior, and the training messages it draws from."""
        strategy = self.strategy
        choice, task, prior = strategy.choice, strategy.asking.task, strategy.label_prior
        draws = choice.examples != "none" or choice.calibration == "batch"
        body = {
            "choice": asdict(choice),
            "trials": [asdict(trial) for trial in self._trials],
            "search_note": self._search_note,
            "unfinished": self._unfinished,
            "train": [[m.id, m.text, m.labels] for m in strategy.asking.train] if draws else [],
            "prior": None if prior is None else {"task": _as_json(task), "values": prior.tolist()},
        }
        (folder / FILE).write_text(json.dumps(body, ensure_ascii=False), encoding="utf-8")

    def export(self, folder: Path, wanted: Wanted) -> Deployment:
        """Write what is asked, with the llama-server and the requests that answer alike; the weights are not copied.

        Raises:
            BenchError: if it is asked in a way that no fixed requests follow.
        """
        from classifiers.llm.deployment import deploy

        wanted.refuse_graphs("a prompted GGUF model")
        if self.settings.thinking:
            raise BenchError("a row that thinks is asked twice, the second time with its thoughts; export one without")
        return deploy(self.strategy, self._models[0], self.settings.model, folder)

    def load_from(self, folder: Path, task: Task) -> None:
        """Load the weights and build the chosen prompt again; a prior of a task in other words is asked for anew."""
        from classifiers.llm.prompting.examples import saved_message

        body = json.loads((folder / FILE).read_text(encoding="utf-8"))
        self.load()
        train = tuple(saved_message(*row) for row in body["train"])
        self._trials = tuple(Trial(**trial) for trial in body["trials"])
        self._search_note, self._unfinished = body.get("search_note", ""), body.get("unfinished", "")
        prior = _saved_prior(body.get("prior"), task)
        self._strategy = self._make_strategy(task, train, Choice(**body["choice"]), prior)

    def close(self) -> None:
        """Free the model, the prompt that holds on to it, and the sentence encoder."""
        if self._engine is not None:
            self._engine.close()
        self._engine = self._chat = self._strategy = self._similar = None

    def details(self) -> Details:
        """Name the GGUF, the chosen way of asking, and what answers at temperature 0 can still depend on."""
        from llama_cpp import __version__

        from classifiers.llm.prompting.examples import labels_shown

        strategy, settings = self.strategy, self.settings
        choice = strategy.choice
        return Details(
            model=self._models[0].name,
            models=self._models,
            n_parameters=self.engine.model.n_parameters,
            n_labelled=labels_shown(choice, strategy.asking.task, strategy.asking.train)
            + max((t.n for t in self._trials), default=0),
            max_attempts=1 + settings.retries if choice.mode == "generate" else 1,
            trials=self._trials,
            notes=(*self._notes(), *strategy.notes),
            unfinished=self._unfinished,
            prompt=strategy.shown_prompt,
            stages={**strategy.stages, **self.engine.stages},
            metadata={
                **choice.describe(),
                **strategy.figures,
                "examples_cut": strategy.examples_cut,
                "llama_cpp_python": __version__,
                "parallel": settings.parallel,
                "batch": settings.batch,
                "shared_prompt_tokens": self.engine.prefix_length,
            },
        )

    def _notes(self) -> tuple[str, ...]:
        """Say beside a tuned row what the plain one gives, on the validation messages both were tried on."""
        if self._search_note:
            return (self._search_note,)
        plain = next(
            (trial for trial in self._trials if trial.settings == self.settings.choice(self.seed).describe()), None
        )
        tuned = next((trial for trial in self._trials if trial.chosen), None)
        if not self.settings.tune or plain is None or tuned is None:
            return ()
        return (
            f"tuned on {number_of(tuned.n, 'validation message')}: {tuned.accuracy:.1%} right there as tuned, "
            f"{plain.accuracy:.1%} as configured; test messages played no part",
        )

    def _make_strategy(
        self, task: Task, train: Sequence[Message], choice: Choice, prior: NDArray[np.float64] | None = None
    ) -> Strategy:
        from classifiers.llm.prompting.asking import strategy_of
        from classifiers.llm.prompting.examples import example_source
        from classifiers.llm.prompting.strategy import Asking

        assert self._chat is not None, "load it first"
        source = example_source(choice, task, train, partial(self._find_similar, train))
        return strategy_of(Asking(self._chat, task, train, choice, self.settings, source, prior))

    def _find_similar(self, train: Sequence[Message]) -> SimilarMessages:
        from classifiers.llm.prompting.examples import SimilarMessages

        if self._similar is None:
            folder = local_model(self.settings.encoder, "encoder").path
            self._similar = SimilarMessages(train, folder, threads=self.threads)
        return self._similar


def _as_json(task: Task) -> Any:
    """Return a task as it is read again."""
    return json.loads(json.dumps(asdict(task)))


def _saved_prior(saved: Mapping[str, Any] | None, task: Task) -> NDArray[np.float64] | None:
    """Return the prior that was saved, unless the task has other words now: a prior is that of one prompt."""
    import numpy as np

    return np.array(saved["values"]) if saved and saved["task"] == _as_json(task) else None
