"""Ask for free text, or for text held to a grammar of the labels.

Scores of the same prompts tell most of these answers: see `WrittenAnswers.told_by`.
"""

from __future__ import annotations

import json
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial

from classifiers.errors import BenchError
from classifiers.interface import Attempt, Prediction
from classifiers.llm.engine.sampler import Request
from classifiers.llm.prompting.parse import Parsed
from classifiers.llm.prompting.prepare import PreparedPrompt
from classifiers.llm.prompting.reasoning import split_reasoning
from classifiers.llm.prompting.recipe import Recipe, text_recipe
from classifiers.llm.prompting.retry import Answer, Reply, follow_up, retry
from classifiers.llm.prompting.score import ScoredText
from classifiers.llm.prompting.strategy import Asking, Strategy
from classifiers.plurals import number_of

MAX_BYTES = 128


@dataclass(frozen=True, slots=True)
class Written:
    """What the model wrote, read once."""

    tokens: list[int]
    text: str
    parsed: Parsed


class WrittenAnswers(Strategy):
    """A way of asking that has at most `max_tokens` written, at first with the likeliest token at every step."""

    def __init__(self, asking: Asking, max_tokens: int) -> None:
        super().__init__(asking, asking.writer(max_tokens))
        self.max_tokens = max_tokens

    def told_by(self, scored: Sequence[ScoredText], texts: Sequence[str]) -> list[tuple[str, ...] | None]:
        """Return what would be answered, as far as scores of the same prompts tell; None where it has to be asked.

        They tell it where the likeliest token at every step spells a label and ends it. A grammar of the labels allows
        these tokens, so it changes nothing there.

        Args:
            scored: of the first texts, or of all.
            texts: what would be asked about.
        """
        writer, names = self.writers[0], self._spelled()
        shown = writer.source.of(texts[: len(scored)])
        prompts = [writer.prompt(text, examples).tokens for text, examples in zip(texts, shown, strict=False)]
        told = [
            names.get(known.written) if [tokens] == [prompt.tokens for prompt in known.prompts] else None
            for tokens, known in zip(prompts, scored, strict=True)
        ]
        return [*told, *[None] * (len(texts) - len(told))]

    def _spelled(self) -> dict[int | None, tuple[str, ...]]:
        """Return the labels that may be written whole and are then read as themselves, by their places."""
        model, form = self.engine.model, self.asking.form
        spelled: dict[int | None, tuple[str, ...]] = {}
        for i, name in enumerate(form.names):
            *tokens, end = self.chat.answer_tokens(name)
            label = (self.asking.task.label_names[i],)
            is_read = form.parse(model.detokenize(tokens)).labels == label
            if is_read and model.ends_generation(end) and len(tokens) <= self.max_tokens:
                spelled[i] = label
        return spelled


class Generate(WrittenAnswers):
    """Free text, parsed, and asked for again with the reason where it is no label."""

    def __init__(self, asking: Asking) -> None:
        super().__init__(asking, asking.settings.max_tokens)
        self.retries_without_room = 0

    @property
    def figures(self) -> Mapping[str, str | int | float]:
        """Return how many retries had no room."""
        return {"retries_without_room": self.retries_without_room}

    @property
    def notes(self) -> tuple[str, ...]:
        """Say how many answers stayed invalid for want of room."""
        if not self.retries_without_room:
            return ()
        return (
            f"no retry for {number_of(self.retries_without_room, 'invalid answer')}, for which the context of "
            f"{self.engine.context} tokens has no room; they count as parse failures: set a larger context",
        )

    def predict(self, texts: Sequence[str], *, seed: int = 0) -> list[Prediction]:
        """Answer all texts together."""
        prompts = self.writers[0].write(texts)
        settings = self.asking.settings
        # as many at a time as run together: more would only push answers kept for retry out of the cache
        groups = [prompts[start : start + settings.parallel] for start in range(0, len(prompts), settings.parallel)]
        ask = partial(self._ask, seed)
        ledger = [asked for group in groups for asked in retry(group, ask, self._extended, settings.temperatures)]
        return [
            Prediction(
                asked.attempts[-1].labels,
                asked.attempts[-1].valid,
                attempts=asked.attempts,
                truncated=asked.question.truncated,
            )
            for asked in ledger
        ]

    def recipe(self) -> Recipe:
        """Return the request of the first attempt; retries continue a conversation and are drawn at random."""
        return text_recipe(self.writers[0].for_any_message(), self.max_tokens)

    def _ask(self, seed: int, prompts: Sequence[PreparedPrompt], temperature: float) -> list[Answer]:
        asked = self.think(prompts, seed, temperature)
        requests = [Request(p.tokens, self.max_tokens, temperature, seed) for p in asked]
        # an answer that is no label stays in the cache for the retry, which continues it
        written = self.engine.answer(requests, self._read, keep=lambda answer: not answer.parsed.valid)
        return [self._answer(prompt, answer) for prompt, answer in zip(asked, written, strict=True)]

    def _read(self, tokens: list[int]) -> Written:
        text = self.engine.model.detokenize(tokens)
        return Written(tokens, text, self.asking.form.parse(text))

    def _answer(self, prompt: PreparedPrompt, written: Written) -> Answer:
        unasked = split_reasoning(written.text).reasoning
        n_unasked = len(self.engine.model.tokenize(unasked, special=False)) if unasked else 0
        reply = Reply(
            prompt.thought + written.text,
            prompt.n_read,
            prompt.n_thought + len(written.tokens),
            prompt.n_thought + n_unasked,
        )
        return Answer(reply, written.parsed)

    def _extended(self, prompt: PreparedPrompt, answer: Answer) -> PreparedPrompt | None:
        longer = self.writers[0].continued(prompt, *follow_up(answer, self.asking.form))
        self.retries_without_room += longer is None
        return longer


class HoldToGrammar(WrittenAnswers):
    """Text that a grammar of the labels allows; what the model says is a label, or the engine dropped the grammar."""

    def __init__(self, asking: Asking) -> None:
        # a grammar's longest answer may take one token per byte, at most twice the usual
        longest = asking.form.longest
        usual = len(asking.chat.answer_tokens(longest))
        super().__init__(asking, min(len(longest.encode()), max(MAX_BYTES, 2 * usual)) + 1)

    def predict(self, texts: Sequence[str], *, seed: int = 0) -> list[Prediction]:
        """Answer all texts together."""
        prompts = self.writers[0].write(texts)
        started = time.perf_counter()
        asked = self.think(prompts, seed)
        requests = [Request(p.tokens, self.max_tokens, 0.0, seed, self.asking.form.grammar) for p in asked]
        written = self.engine.answer(requests, self._read, keep=lambda _: False)
        seconds = (time.perf_counter() - started) / max(len(prompts), 1)
        return [self._prediction(prompt, answer, seconds) for prompt, answer in zip(asked, written, strict=True)]

    def recipe(self) -> Recipe:
        """Return the request with the grammar."""
        return text_recipe(self.writers[0].for_any_message(), self.max_tokens, self.asking.form.grammar)

    def _read(self, tokens: list[int]) -> Written:
        """Read an answer, and see that the grammar took effect: some engines drop it silently."""
        text = self.engine.model.detokenize(tokens)
        parsed = self.asking.form.parse(text)
        if not parsed.valid or not self._is_written(text, parsed.labels):
            raise BenchError(f"the grammar did not take effect: the model wrote {text!r}; use mode = 'score'")
        return Written(tokens, text, parsed)

    def _prediction(self, prompt: PreparedPrompt, written: Written, seconds: float) -> Prediction:
        labels, n_written = written.parsed.labels, prompt.n_thought + len(written.tokens)
        raw = prompt.thought + written.text
        attempt = Attempt(raw, labels, True, prompt.n_read, n_written, seconds, prompt.n_thought)
        return Prediction(labels, attempts=(attempt,), truncated=prompt.truncated)

    def _is_written(self, raw: str, labels: Sequence[str]) -> bool:
        """Tell whether a text is an answer to the letter; a list may stand in any order and name a label twice."""
        form = self.asking.form
        if not self.asking.task.takes_several:
            return raw == form.write(labels)
        listed = json.loads(raw)
        return isinstance(listed, list) and set(listed) == set(json.loads(form.write(labels)))
