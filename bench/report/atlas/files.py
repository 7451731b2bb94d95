"""Write the atlas: atlas.md, atlas.html and the picture, or the block of a document."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path

from bench.files import replace_file
from bench.report.atlas.build import METHOD, Atlas
from bench.report.atlas.chart import crossing_chart
from bench.report.charts import save_charts
from bench.report.charts.drawing import Chart
from bench.report.page import rendered
from bench.report.tables.table import escaped, titled_lines
from classifiers.errors import BenchError

NARROW = 300
"""Pixels of the picture on a phone."""
PICTURE = "charts/crossing.png"
PICTURE_SHOWS = "Examples per label at which encoders pass the LLM, by number of labels"
EMPTY = "No scores are here yet: `bench study` makes them."


def markdown(atlas: Atlas, picture: str = "") -> str:
    """Return what the atlas says as Markdown, without a heading; `picture` is the link to the picture."""
    return "\n".join(_lines(atlas, picture)).strip()


def _lines(atlas: Atlas, picture: str) -> Iterator[str]:
    if not atlas.scores:
        yield EMPTY
        return
    yield f"{escaped(atlas.headline)}"
    yield ""
    yield from (f"- {escaped(line)}" for line in atlas.claims)
    yield ""
    if picture and atlas.crossings:
        yield f"![{PICTURE_SHOWS}]({picture})"
        yield ""
    yield from ["**What it cannot say**", ""]
    yield from (f"- {escaped(line)}" for line in atlas.limits)
    yield ""
    for table in atlas.tables:
        yield from titled_lines(table)
    yield f"{escaped(METHOD)} Commit {', '.join(f'`{commit}`' for commit in atlas.commits)}."


def page(atlas: Atlas, drawn: Mapping[str, Chart]) -> str:
    """Return the atlas as one page that needs no network; `drawn` is the picture as it is wide, where there is one."""
    charts = {
        name: {"wide": chart.to_dict(), "narrow": crossing_chart(atlas.crossings, NARROW).to_dict()}
        for name, chart in drawn.items()
    }
    return rendered("atlas.html", atlas=atlas, charts=charts, method=METHOD)


def write_atlas(folder: Path, atlas: Atlas) -> list[Path]:
    """Write atlas.md, atlas.html and the picture into a folder, and return the files."""
    drawn = {"crossing": crossing_chart(atlas.crossings)} if atlas.crossings else {}
    text = f"# Atlas: encoder or LLM?\n\n{markdown(atlas, PICTURE if drawn else '')}\n"
    try:
        folder.mkdir(parents=True, exist_ok=True)
        replace_file(folder / "atlas.md", text.encode())
        replace_file(folder / "atlas.html", page(atlas, drawn).encode())
        if drawn:
            save_charts(folder / "charts", drawn)
    except OSError as error:
        raise BenchError(f"cannot write to {folder}: {error.strerror}") from error
    return [folder / "atlas.md", folder / "atlas.html", *([folder / PICTURE] if drawn else [])]
