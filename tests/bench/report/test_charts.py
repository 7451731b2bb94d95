"""Charts that can be read: enough contrast, names that lie apart, and texts that cannot end the process."""

from __future__ import annotations

import xml.etree.ElementTree as ET
from itertools import combinations
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from samples import record, row

from bench.report.charts import save_charts
from bench.report.charts.costs import Scales
from bench.report.charts.drawing import DARK, HUES, LIGHT, Theme, drawable
from bench.report.charts.names import RINGS, Box, Spot, place_names
from bench.report.charts.quality import confusion, coverage, reliability


def luminance(colour: str) -> float:
    """The relative luminance of WCAG 2.2."""
    parts = (int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5))
    red, green, blue = (c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in parts)
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


def contrast(a: str, b: str) -> float:
    low, high = sorted((luminance(a), luminance(b)))
    return (high + 0.05) / (low + 0.05)


def test_contrast_is_that_of_wcag() -> None:
    assert contrast("#000000", "#ffffff") == pytest.approx(21)
    assert contrast("#f0e442", "#ffffff") == pytest.approx(1.3, abs=0.05)


@pytest.mark.parametrize("theme", [LIGHT, DARK], ids=["light", "dark"])
def test_every_colour_can_be_read_on_its_paper(theme: Theme) -> None:
    assert all(contrast(colour, theme.paper) >= 4.5 for colour in (theme.ink, theme.faint))
    assert all(contrast(colour, theme.paper) >= 3 for colour in theme.series), "WCAG 2.2 for graphics"


# Machado, Oliveira & Fernandes 2009, severity 1: what a red-blind and a green-blind reader see of linear RGB
SEEN = {
    "all": np.eye(3),
    "protanopia": np.array(
        [[0.152286, 1.052583, -0.204868], [0.114503, 0.786281, 0.099216], [-0.003882, -0.048116, 1.051998]]
    ),
    "deuteranopia": np.array(
        [[0.367322, 0.860646, -0.227968], [0.280085, 0.672501, 0.047413], [-0.011820, 0.042940, 0.968881]]
    ),
}
TO_XYZ = np.array([[0.4124, 0.3576, 0.1805], [0.2126, 0.7152, 0.0722], [0.0193, 0.1192, 0.9505]])


def lab(colour: str, seen: np.ndarray) -> np.ndarray:
    """A colour in CIELAB, in which distances are about as large as they look; 2 can just be seen."""
    rgb = np.array([int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5)])
    linear = np.clip(seen @ np.where(rgb <= 0.04045, rgb / 12.92, ((rgb + 0.055) / 1.055) ** 2.4), 0, 1)
    x, y, z = np.cbrt(np.maximum(TO_XYZ @ linear / TO_XYZ.sum(axis=1), 0.008856))
    return np.array([116 * y - 16, 500 * (x - y), 200 * (y - z)])


@pytest.mark.parametrize("seen", SEEN.values(), ids=SEEN)
@pytest.mark.parametrize("theme", [LIGHT, DARK], ids=["light", "dark"])
def test_colours_are_told_apart_by_colour_blind_readers_too(theme: Theme, seen: np.ndarray) -> None:
    assert len(theme.series) == 2 * HUES
    apart = {
        (i, j): np.linalg.norm(lab(theme.series[i], seen) - lab(theme.series[j], seen))
        for i in range(12)
        for j in range(i)
    }
    assert min(apart.values()) >= 11
    assert min(d for (i, j), d in apart.items() if i // HUES == j // HUES) >= 18, "the same dashes and shapes"


def looks(chart: Any) -> list[tuple[str, object, str]]:
    """Colour, dashes and shape of each classifier in a chart of lines and points, in the table's order."""
    lines, dots = (layer["encoding"] for layer in chart.to_dict()["layer"][1:])
    dashes, shapes = lines["strokeDash"]["scale"]["range"], dots["shape"]["scale"]["range"]
    return [(LIGHT.series[i % 12], tuple(dash), shapes[i]) for i, dash in enumerate(dashes)]


def test_no_two_classifiers_look_alike_and_nine_have_colours_of_their_own() -> None:
    rows = [row(f"c{i}", [record(j, "a", "ab"[j % 2], 0.9) for j in range(4)]) for i in range(36)]
    assert len(set(looks(reliability(rows)))) == 36
    assert len({colour for colour, _, _ in looks(reliability(rows[:9]))}) == 9
    assert {dash for _, dash, _ in looks(reliability(rows[:6]))} == {(1, 0)}


def test_the_legend_names_the_classifiers_that_are_drawn() -> None:
    rows = [row("silent", [record(0, "a", "a")]), row("sure", [record(0, "a", "a", 0.9)])]
    encoding = coverage(rows).to_dict()["encoding"]
    for channel in ("color", "strokeDash"):
        assert encoding[channel]["legend"] == {"values": ["sure"]}
        assert encoding[channel]["scale"]["domain"] == ["silent", "sure"], "its colour is that of the other charts"


def test_names_of_points_that_lie_close_stand_apart() -> None:
    spots = [Spot(100 + 6 * i, 80 + 3 * i, f"classifier-{i}", 60 + 3 * i, 100 + 3 * i) for i in range(6)]
    boxes = place_names(spots, 560, 320)
    assert all(a.overlap(b) == 0 for a, b in combinations(boxes, 2))
    assert all(box.overlap(Box(s.x - 6, s.y - 6, s.x + 6, s.y + 6)) == 0 for box in boxes for s in spots)
    room = Box(0, 0, 560, 320)
    assert all(box.overlap(room) == pytest.approx((box.right - box.left) * 14) for box in boxes)


def test_a_name_alone_stands_right_of_its_point_or_left_where_there_is_no_room() -> None:
    (right,) = place_names([Spot(100, 100, "encoder", 90, 110)], 560, 320)
    (left,) = place_names([Spot(550, 100, "encoder", 90, 110)], 560, 320)
    assert (right.left, right.top) == (100 + RINGS[0], 93)
    assert (left.right, left.top) == (550 - RINGS[0], 93)


def test_places_in_pixels_are_those_of_the_axes() -> None:
    scales = Scales(left=1, right=100, bottom=50, top=100, width=560)
    assert [scales.x(cost) for cost in (1, 10, 100)] == pytest.approx([0, 280, 560])
    assert [scales.y(accuracy) for accuracy in (100, 75, 50)] == pytest.approx([0, 160, 320])
    assert scales.ticks == [1, 2, 5, 10, 20, 50, 100]
    assert Scales(left=0.005, right=120, bottom=0, top=100, width=560).ticks == [0.01, 0.1, 1, 10, 100]


def test_a_control_sign_in_a_name_becomes_a_sign_that_can_be_drawn() -> None:
    assert drawable("a\x00b\x07c\x1b[2J\ud800") == "a�b�c�[2J?"


def test_a_chart_of_a_hostile_name_is_drawn(tmp_path: Path) -> None:
    rows = [
        row(name, [record(i, "a", "ab"[i % 2], 0.9) for i in range(6)])
        for name in ("bell\x07", "nul\x00", "esc\x1b[2J")
    ]
    save_charts(tmp_path, {"confusion": confusion(rows), "coverage": coverage(rows)})
    for name in ("confusion", "coverage"):
        assert (tmp_path / f"{name}.png").read_bytes().startswith(b"\x89PNG")
        shown = "".join(ET.fromstring((tmp_path / f"{name}.svg").read_text(encoding="utf-8")).itertext())
        assert "bell�" in shown
