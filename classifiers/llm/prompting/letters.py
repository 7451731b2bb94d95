"""Show the labels as lettered options and read one position: the probability of every letter.

A whole label tree behind every message costs more with every label; a letter is one token, whatever it stands for.
But a model likes some letters and some places in a list more than others (Zheng et al. 2024, "Large Language Models Are
Not Robust Multiple Choice Selectors", arXiv 2309.03882). So every message is asked with several seeded orders of the
options, whose probabilities are averaged, and how often two orders disagree is told. The option lists are the
beginnings of the prompts: they are decoded once and held side by side.
"""

from __future__ import annotations

import random
from collections.abc import Iterator, Mapping, Sequence
from functools import partial
from itertools import islice, product
from string import ascii_uppercase

import numpy as np
from numpy.typing import NDArray

from classifiers.errors import BenchError
from classifiers.interface import Message
from classifiers.llm.engine.gguf_model import GgufModel
from classifiers.llm.engine.label_tree import grow
from classifiers.llm.prompting.calibration import calibrate
from classifiers.llm.prompting.prepare import PromptWriter
from classifiers.llm.prompting.prompt import DECIDE, Worked, turns
from classifiers.llm.prompting.recipe import Recipe, letters_request
from classifiers.llm.prompting.retry import Conversation
from classifiers.llm.prompting.score import Decided, Scored, Scorer
from classifiers.llm.prompting.strategy import Asking
from classifiers.llm.prompting.thinking import room_for_thought

OPENING = """{instruction} Options:
{options}

Answer with the letter of the option only.

Message: """


class AskLetters(Scorer):
    """Reads the letter of an option, in several orders of the options.

    Raises:
        BenchError: if the vocabulary has too few letters of one token for the labels.
    """

    def __init__(self, asking: Asking) -> None:
        n_labels, model = len(asking.task.labels), asking.chat.engine.model
        self._marks = option_marks(model, n_labels)
        self._tree = grow([model.tokenize(mark, special=False) for mark in self._marks])
        self._orders = option_orders(n_labels, asking.settings.n_orders, asking.choice.example_seed)
        behind = 1 + room_for_thought(asking.chat, asking.settings.thinking)
        conversations = [partial(_conversation, asking, self._marks, order) for order in self._orders]
        n_kinds = len(conversations)
        super().__init__(
            asking,
            *(PromptWriter(asking.chat, c, asking.source, behind=behind, n_kinds=n_kinds) for c in conversations),
        )

    @property
    def figures(self) -> Mapping[str, str | int | float]:
        """Return how many orders there are and how often they disagreed."""
        return {"n_orders": len(self._orders), **({} if self.flip_rate is None else {"flip_rate": self.flip_rate})}

    @property
    def notes(self) -> tuple[str, ...]:
        """Say how often the order of the options changed the answer."""
        if len(self._orders) < 2 or self.flip_rate is None:
            return ()
        return (
            f"options in {len(self._orders)} orders, which changed {self.flip_rate:.1%} of the answers: "
            "an answer is that of the averaged probabilities",
        )

    def score(self, texts: Sequence[str]) -> Scored:
        """Return log-probabilities of the labels; shape (texts, orders, labels)."""
        values, prompts = [], []
        for writer, order in zip(self.writers, self._orders, strict=True):
            prompts.append(self.think(writer.write(texts), seed=0))
            of_marks = self.engine.score([prompt.tokens for prompt in prompts[-1]], self._tree)
            values.append(of_marks[:, np.argsort(order)])
        return Scored(np.stack(values, axis=1), list(zip(*prompts, strict=True)))

    def recipe(self) -> Recipe:
        """Return a request per order of the options."""
        model, names = self.engine.model, self.asking.task.label_names
        tokens = [model.tokenize(mark, special=False)[0] for mark in self._marks]
        prior = self.prior(self.choice.calibration)
        return Recipe(
            "probabilities",
            tuple(
                (
                    letters_request(
                        writer.for_any_message(),
                        {token: names[place] for token, place in zip(tokens, order, strict=True)},
                        {} if prior is None else dict(zip(names, np.log(prior[i]).tolist(), strict=True)),
                    ),
                )
                for i, (writer, order) in enumerate(zip(self.writers, self._orders, strict=True))
            ),
        )

    def answers(self, scores: NDArray[np.float64], prior: NDArray[np.float64] | None) -> list[Decided]:
        """Return the label with the highest mean probability over the orders, and whether all of them chose it."""
        names, by_order = self.asking.task.label_names, calibrate(scores, prior)
        tops, means = by_order.argmax(axis=2), by_order.mean(axis=1)
        return [
            Decided((names[int(mean.argmax())],), mean, agrees=len(set(top)) == 1)
            for mean, top in zip(means, tops.tolist(), strict=True)
        ]


def option_marks(model: GgufModel, n: int) -> list[str]:
    """Return n marks that are one token each, alone and at the beginning of an option's line: A to Z, or AA to ZZ.

    Raises:
        BenchError: if the vocabulary does not have as many.
    """
    marks = list(islice(_marks(model, 1 if n <= len(ascii_uppercase) else 2), n))
    if len(marks) < n or len({model.tokenize(mark, special=False)[0] for mark in marks}) < n:
        raise BenchError(f"{n} labels are more than the {len(marks)} letters of one token here; use mode = 'score'")
    return marks


def _marks(model: GgufModel, length: int) -> Iterator[str]:
    for letters in product(ascii_uppercase, repeat=length):
        mark = "".join(letters)
        tokens = model.tokenize(mark, special=False)
        if len(tokens) == 1 and tokens[0] in model.tokenize(f"\n{mark}. option", special=False):
            yield mark


def option_orders(n_labels: int, n_orders: int, seed: int) -> list[list[int]]:
    """Return orders of the labels, all different as far as there are so many: the task's, its reverse, and drawn ones.

    The reverse puts each label as far from its first place as it can be.
    """
    rng, labels = random.Random(seed), list(range(n_labels))
    orders = [labels, labels[::-1]][:n_orders]
    return orders + [rng.sample(labels, n_labels) for _ in range(n_orders - len(orders))]


def _conversation(
    asking: Asking, marks: Sequence[str], order: Sequence[int], text: str, examples: Sequence[Message]
) -> Conversation:
    """Return the conversation about a text with the options in this order; examples are answered by their letters."""
    labels, names = asking.task.labels, asking.form.names
    rows = [(marks[i], names[place], labels[place].definition) for i, place in enumerate(order)]
    options = "\n".join(f"{mark}. {name}: {words}" if words else f"{mark}. {name}" for mark, name, words in rows)
    opening = OPENING.format(instruction=asking.task.instruction or DECIDE[False], options=options)
    mark_of = {labels[place].name: marks[i] for i, place in enumerate(order)}
    return turns(opening, text, [Worked(example.text, mark_of[example.label]) for example in examples])
