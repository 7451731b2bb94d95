"""Puts messages to an engine in one chosen way and turns what comes back into predictions."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial

import numpy as np
from numpy.typing import NDArray

from classifiers.errors import BenchError
from classifiers.interface import Attempt, Message, Prediction, Stage, Task
from classifiers.llm.engine.engine import Engine, common_length
from classifiers.llm.engine.label_tree import grow
from classifiers.llm.engine.sampler import Request
from classifiers.llm.prompting.answer_form import form_of
from classifiers.llm.prompting.calibration import CONTENT_FREE, Calibration, calibrate, prior_of
from classifiers.llm.prompting.chat import Chat
from classifiers.llm.prompting.examples import SimilarMessages, draw_per_label
from classifiers.llm.prompting.prompt import conversation
from classifiers.llm.prompting.reasoning import split_reasoning
from classifiers.llm.prompting.retry import Conversation, Reply, ask_with_retries
from classifiers.llm.prompting.settings import Choice, LlamaCppSettings

MAX_BYTES = 128
QUESTION_ROOM = 256
"""Tokens kept free for the message when examples that all questions share are cut to the context."""


@dataclass(frozen=True, slots=True)
class Prompt:
    """A prompt's tokens, whether its message was cut, and how many examples were left out for room."""

    tokens: list[int]
    truncated: bool
    examples_cut: int


class Asker:
    """One way of asking about one task, ready to answer.

    `calibrations` are the methods that can be applied to its scores.

    Args:
        find_similar: gives the finder of similar training messages; called only where they are wanted.

    Raises:
        BenchError: if the labels alone do not fit the context, or there are no messages to show.
    """

    calibrations: tuple[Calibration, ...] = ("none", "contextual", "batch")

    def __init__(
        self,
        chat: Chat,
        task: Task,
        train: Sequence[Message],
        choice: Choice,
        settings: LlamaCppSettings,
        find_similar: Callable[[], SimilarMessages],
    ) -> None:
        self.chat = chat
        self.engine: Engine = chat.engine
        self.task = task
        self.choice = choice
        self.settings = settings
        self.form = form_of(task)
        self.examples_cut = 0
        self.stages = {"find examples": Stage(), "write prompts": Stage()}
        if choice.examples != "none" and not train:
            raise BenchError(f"examples = '{choice.examples}' needs training messages, and there are none")
        self._similar = find_similar() if choice.examples == "knn" else None
        self._fixed: list[Message] = []
        if choice.examples == "fixed":
            self._fixed = draw_per_label(task, train, choice.n_examples, choice.example_seed)
        self._cut_fixed_examples()
        self._hold_shared_prompt(train)
        if choice.mode == "score":
            self.tree = grow([chat.answer_tokens(answer) for answer in self.scored_answers])
            self.prior = self.find_prior(choice.calibration, train)

    def predict(self, texts: Sequence[str], *, seed: int = 0) -> list[Prediction]:
        """Answer all texts together."""
        shown, prompts = self._prompts(texts)
        self.examples_cut += sum(prompt.examples_cut for prompt in prompts)
        if self.choice.mode == "score":
            return self._scored(prompts)
        if self.choice.mode == "grammar":
            return self._held_to_grammar(prompts, seed)
        kept = [examples[prompt.examples_cut :] for examples, prompt in zip(shown, prompts, strict=True)]
        return self._generated(texts, kept, [prompt.truncated for prompt in prompts], seed)

    @property
    def scored_answers(self) -> tuple[str, ...]:
        """Return the answers whose probability is looked up: the label names."""
        return self.form.names

    def scores(self, texts: Sequence[str]) -> NDArray[np.float64]:
        """Return every label's log-probability before calibration; shape (texts, labels)."""
        _, prompts = self._prompts(texts)
        return self.engine.score([prompt.tokens for prompt in prompts], self.tree)

    def find_prior(self, calibration: str, train: Sequence[Message]) -> NDArray[np.float64] | None:
        """Return the label prior of a calibration method, shape (labels,), or None for `none`."""
        if calibration == "contextual":
            return prior_of(self.scores(CONTENT_FREE))
        if calibration == "batch" and train:
            rng = np.random.default_rng(self.choice.example_seed)
            size = min(self.settings.calibration_messages, len(train))
            places = rng.choice(len(train), size=size, replace=False)
            return prior_of(self.scores([train[i].text for i in places]))
        return None

    def answers(
        self, scores: NDArray[np.float64], prior: NDArray[np.float64] | None
    ) -> list[tuple[tuple[str, ...], NDArray[np.float64]]]:
        """Return each message's labels and the probability of every label, with the prior taken out."""
        names = self.task.label_names
        return [((names[int(row.argmax())],), row) for row in calibrate(scores, prior)]

    @property
    def shown_prompt(self) -> str:
        """Return the prompt as a person reads it, with marks where the message and its own examples go."""
        turns = self._conversation("⟨the message⟩", self._fixed)
        lines = [f"[{turn.role}] {turn.text}{turn.message}" for turn in turns]
        similar = [f"⟨the {self.choice.n_examples} training messages most like it, as turns⟩"] if self._similar else []
        return "\n".join([*lines[:-1], *similar, lines[-1]])

    def _room(self) -> int:
        """Return the tokens a prompt may have: the context less what comes after the prompt."""
        behind = self.settings.max_tokens if self.choice.mode == "generate" else self._longest_answer() + 1
        if self.choice.mode == "score":
            behind = sum(len(self.chat.answer_tokens(answer)) for answer in self.scored_answers)
        return min(self.engine.context, self.engine.model.trained_context) - behind

    def _prompts(self, texts: Sequence[str]) -> tuple[list[list[Message]], list[Prompt]]:
        """Find examples and write prompts, and keep how long each took."""
        started = time.perf_counter()
        shown = self._examples(texts)
        found_at = time.perf_counter()
        prompts = [self._prompt(text, examples) for text, examples in zip(texts, shown, strict=True)]
        self.stages["find examples"] += Stage(found_at - started)
        self.stages["write prompts"] += Stage(time.perf_counter() - found_at)
        return shown, prompts

    def _examples(self, texts: Sequence[str]) -> list[list[Message]]:
        if self._similar is None:
            return [self._fixed] * len(texts)
        return self._similar.nearest(texts, self.choice.n_examples)

    def _conversation(self, text: str, examples: Sequence[Message]) -> Conversation:
        return conversation(self.task, text, prompt_template=self.choice.prompt_template, examples=examples)

    def _prompt(self, text: str, examples: Sequence[Message]) -> Prompt:
        """Return a prompt that fits: whole examples go first, from the front; only then is the message cut."""
        for cut in range(len(examples) + 1):
            turns = self._conversation(text, examples[cut:])
            if cut == len(examples):
                tokens, truncated = self.chat.tokens(turns, room=self._room())
                return Prompt(tokens, truncated, cut)
            try:
                tokens, truncated = self.chat.tokens(turns, room=self._room())
            except BenchError:
                continue
            if not truncated:
                return Prompt(tokens, truncated, cut)
        raise AssertionError("a prompt without examples either fits or raises")

    def _cut_fixed_examples(self) -> None:
        """Leave out examples for all questions alike, so that a message of usual length finds room."""
        probe = "word " * QUESTION_ROOM
        cut = self._prompt(probe, self._fixed).examples_cut if self._fixed else 0
        self._fixed, self.examples_cut = self._fixed[cut:], cut

    def _hold_shared_prompt(self, train: Sequence[Message]) -> None:
        """Decode once what two prompts about different messages (and similar examples) have in common."""
        shown: list[Sequence[Message]] = [self._fixed, self._fixed]
        if self._similar is not None:
            shown = [[Message("", text, train[0].labels)] for text in ("A", "1")]
        first, second = (self._prompt(t, examples).tokens for t, examples in zip(("A", "1"), shown, strict=True))
        self.engine.hold(first[: common_length(first, second)])

    def _scored(self, prompts: Sequence[Prompt]) -> list[Prediction]:
        if not prompts:
            return []
        started = time.perf_counter()
        scores = self.engine.score([prompt.tokens for prompt in prompts], self.tree)
        return self._predictions(scores, prompts, time.perf_counter() - started)

    def _predictions(self, scores: NDArray[np.float64], prompts: Sequence[Prompt], seconds: float) -> list[Prediction]:
        """Make predictions of scores; the attempt's text is the answer the model would have had to write."""
        predictions = []
        for prompt, (labels, row) in zip(prompts, self.answers(scores, self.prior), strict=True):
            attempt = Attempt(self.form.write(labels), labels, True, len(prompt.tokens), 0, seconds / len(prompts))
            probabilities = dict(zip(self.task.label_names, map(float, row), strict=True))
            predictions.append(Prediction(labels, True, probabilities, (attempt,), prompt.truncated))
        return predictions

    def _held_to_grammar(self, prompts: Sequence[Prompt], seed: int) -> list[Prediction]:
        """Generate under a grammar of the labels, and see that it took effect: some engines drop it silently."""
        started = time.perf_counter()
        longest = self._longest_answer()
        grammar = self.form.grammar
        written = self.engine.generate([Request(p.tokens, longest + 1, 0.0, seed, grammar) for p in prompts])
        seconds = (time.perf_counter() - started) / max(len(prompts), 1)
        predictions = []
        for prompt, tokens in zip(prompts, written, strict=True):
            raw = self.engine.model.detokenize(tokens)
            parsed = self.form.parse(raw)
            if not parsed.valid or not self._is_written(raw, parsed.labels):
                raise BenchError(f"the grammar did not take effect: the model wrote {raw!r}; use mode = 'score'")
            attempt = Attempt(raw, parsed.labels, True, len(prompt.tokens), len(tokens), seconds)
            predictions.append(Prediction(parsed.labels, attempts=(attempt,), truncated=prompt.truncated))
        return predictions

    def _longest_answer(self) -> int:
        """Return how many tokens a grammar's longest answer may take: one per byte, at most twice the usual."""
        longest = self.form.longest
        return min(len(longest.encode()), max(MAX_BYTES, 2 * len(self.chat.answer_tokens(longest))))

    def _is_written(self, raw: str, labels: Sequence[str]) -> bool:
        """Tell whether a text is an answer to the letter; a list may stand in any order and name a label twice."""
        if not self.task.takes_several:
            return raw == self.form.write(labels)
        listed = json.loads(raw)
        return isinstance(listed, list) and set(listed) == set(json.loads(self.form.write(labels)))

    def _generated(
        self, texts: Sequence[str], examples: Sequence[Sequence[Message]], truncated: Sequence[bool], seed: int
    ) -> list[Prediction]:
        conversations = [self._conversation(t, shown) for t, shown in zip(texts, examples, strict=True)]
        ledger: list[tuple[Attempt, ...]] = []
        # as many at a time as run together: more would only push answers kept for retry out of the cache
        for start in range(0, len(texts), self.settings.parallel):
            ledger += ask_with_retries(
                conversations[start : start + self.settings.parallel],
                partial(self._reply, seed),
                self.form,
                temperatures=self.settings.temperatures,
            )
        return [
            Prediction(attempts[-1].labels, attempts[-1].valid, attempts=attempts, truncated=cut)
            for attempts, cut in zip(ledger, truncated, strict=True)
        ]

    def _reply(self, seed: int, conversations: Sequence[Conversation], *, temperature: float) -> list[Reply]:
        prompts = [self.chat.tokens(turns, room=self._room())[0] for turns in conversations]
        requests = [Request(p, self.settings.max_tokens, temperature, seed) for p in prompts]
        written = self.engine.generate(requests, keep=self._will_be_retried)
        return [self._read(prompt, answer) for prompt, answer in zip(prompts, written, strict=True)]

    def _will_be_retried(self, answer: list[int]) -> bool:
        """Tell whether an answer is no label: the cache then keeps it for the retry, which continues it."""
        return not self.form.parse(self.engine.model.detokenize(answer)).valid

    def _read(self, prompt: Sequence[int], answer: Sequence[int]) -> Reply:
        text = self.engine.model.detokenize(answer)
        thought = split_reasoning(text).reasoning
        n_thought = len(self.engine.model.tokenize(thought, special=False)) if thought else 0
        return Reply(text, len(prompt), len(answer), n_thought)
