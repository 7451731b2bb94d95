"""The three parts of a data set, and the line that says which one a message belongs to."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Part = Literal["train", "validation", "test"]
PARTS: tuple[Part, ...] = ("train", "validation", "test")


@dataclass(frozen=True, slots=True)
class SplitLine:
    """Which part a message belongs to."""

    id: str
    part: Part
