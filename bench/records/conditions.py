"""Under what conditions a cell's figures came about: how busy the machine was, and whether it stopped early."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Decision = Literal["worse", "better", "within the margin", "undecided"]


@dataclass(frozen=True, slots=True)
class OtherLoad:
    """Processors that other programs kept busy, on average, while a phase was timed; None where that is not known.

    `cores` are those of the machine, `threads` those that the cell uses.
    """

    cores: int
    threads: int
    fit: float | None = None
    predict: float | None = None
    latency: float | None = None

    @property
    def disturbed(self) -> dict[str, float]:
        """Return the phases in which others took more than a tenth of the threads' processors, with what they took."""
        spare = max(self.cores - self.threads, 0) + 0.1 * self.threads
        phases = {"fit": self.fit, "predict": self.predict, "latency": self.latency}
        return {name: used for name, used in phases.items() if used is not None and used > spare}


def decision_text(decision: Decision, rival: str) -> str:
    """Say how a row that stopped stands to its rival."""
    word = {"undecided": "against", "within the margin": "of"}.get(decision, "than")
    return f"{decision} {word} {rival}"


@dataclass(frozen=True, slots=True)
class Stopped:
    """Why a row answered only `n` of `n_test` test messages: how it stands to the row `rival` was decided by then.

    It is *undecided* where the budget of slow rows allowed no more messages. `low` and `high` are the
    ends of the always-valid interval of its accuracy minus the rival's, at that level.
    """

    n: int
    n_test: int
    decision: Decision
    rival: str
    low: float
    high: float
    level: float

    @property
    def text(self) -> str:
        """Say it in one line."""
        stands = decision_text(self.decision, self.rival)
        reason = f"the budget allowed no more, {stands}" if self.decision == "undecided" else f"decided ({stands})"
        return f"stopped after {self.n:,} of {self.n_test:,} test messages: {reason}"
