"""Where the names of points stand in a chart so that none lies on another, on a point or on an interval's bar."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise

from rich.cells import cell_len

SIGN_WIDTH, LINE = 6.4, 14.0
"""Pixels of a sign and of a line of text at 11 points, a little more than most fonts take."""
RINGS = (10.0, 18.0, 30.0, 44.0, 60.0, 80.0)
"""How far from its point a name is tried, nearest first."""
ANGLES = (0, 180, 90, 270, 45, 315, 135, 225, 22, 338, 158, 202)
"""In which directions, in degrees: beside the point rather than above or below it."""
ROUNDS = 4
"""How often every name is moved once more, now that the others have their places."""


@dataclass(frozen=True, slots=True)
class Box:
    """A rectangle in pixels; y grows downwards."""

    left: float
    top: float
    right: float
    bottom: float

    def overlap(self, other: Box) -> float:
        """Return the area that two rectangles share."""
        wide = min(self.right, other.right) - max(self.left, other.left)
        high = min(self.bottom, other.bottom) - max(self.top, other.top)
        return max(wide, 0.0) * max(high, 0.0)


@dataclass(frozen=True, slots=True)
class Spot:
    """A point to be named, in pixels, with the ends of its interval's bar; some are joined by a line."""

    x: float
    y: float
    name: str
    high: float
    low: float
    is_on_line: bool = False

    @property
    def marks(self) -> tuple[Box, Box]:
        """Return what is drawn of it: the dot and the bar."""
        dot = Box(self.x - 6, self.y - 6, self.x + 6, self.y + 6)
        return dot, Box(self.x - 2, self.high, self.x + 2, self.low)


def place_names(spots: Sequence[Spot], width: float, height: float) -> list[Box]:
    """Return a rectangle for each name: the nearest free one, or the one that hides least."""
    room = Box(0, 0, width, height)
    marks = [*(mark for spot in spots for mark in spot.marks), *_line(spots)]
    boxes = [next(_candidates(spot))[1] for spot in spots]
    for _ in range(ROUNDS):
        for i, spot in enumerate(spots):
            others = [*marks, *boxes[:i], *boxes[i + 1 :]]
            boxes[i] = _cheapest(_candidates(spot), others, room)
    return boxes


def _line(spots: Sequence[Spot]) -> Iterator[Box]:
    """Yield the line through the points that are joined, as a row of small rectangles."""
    joined = sorted((spot.x, spot.y) for spot in spots if spot.is_on_line)
    for (x1, y1), (x2, y2) in pairwise(joined):
        steps = max(int(math.dist((x1, y1), (x2, y2)) / 6), 1)
        for i in range(steps):
            x, y = x1 + (x2 - x1) * i / steps, y1 + (y2 - y1) * i / steps
            yield Box(x - 2, y - 2, x + 2, y + 2)


def _candidates(spot: Spot) -> Iterator[tuple[float, Box]]:
    """Yield distance and rectangle of the places around a point."""
    half = cell_len(spot.name) * SIGN_WIDTH / 2
    for ring in RINGS:
        for angle in ANGLES:
            across, down = math.cos(math.radians(angle)), -math.sin(math.radians(angle))
            x, y = spot.x + (ring + half) * across, spot.y + (ring + LINE / 2) * down
            yield ring, Box(x - half, y - LINE / 2, x + half, y + LINE / 2)


def _cheapest(candidates: Iterator[tuple[float, Box]], others: Sequence[Box], room: Box) -> Box:
    """Return the first rectangle of the least cost; few are compared with the others, since most cost more without."""
    cheapest, least = None, math.inf
    for distance, box in candidates:
        outside = (box.right - box.left) * (box.bottom - box.top) - box.overlap(room)
        if distance / 4 + 4 * outside >= least:
            continue
        cost = distance / 4 + sum(map(box.overlap, others)) + 4 * outside
        if cost < least:
            cheapest, least = box, cost
    assert cheapest is not None
    return cheapest
