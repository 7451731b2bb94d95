"""Make the strategy of a way of asking."""

from __future__ import annotations

from collections.abc import Callable

from classifiers.llm.prompting.generate import Generate, HoldToGrammar
from classifiers.llm.prompting.letters import AskLetters
from classifiers.llm.prompting.score import ScoreLabels
from classifiers.llm.prompting.settings import Mode
from classifiers.llm.prompting.strategy import Asking, Strategy
from classifiers.llm.prompting.yes_no import AskYesNo

KINDS: dict[Mode, Callable[[Asking], Strategy]] = {
    "generate": Generate,
    "grammar": HoldToGrammar,
    "score": ScoreLabels,
    "letters": AskLetters,
}


def strategy_of(asking: Asking) -> Strategy:
    """Return the strategy of a choice, ready to answer.

    Raises:
        BenchError: if the labels alone do not fit the context.
    """
    strategy = _kind_of(asking)(asking)
    strategy.make_ready()
    return strategy


def _kind_of(asking: Asking) -> Callable[[Asking], Strategy]:
    if asking.choice.mode == "score" and asking.task.takes_several:
        return AskYesNo
    return KINDS[asking.choice.mode]
