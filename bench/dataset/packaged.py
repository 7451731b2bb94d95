"""Find the messages that come with the project, where it is installed as well as in a checkout."""

from __future__ import annotations

from pathlib import Path

ROOT = Path(__file__).parents[2]
FOLDER, INSTALLED = "data", "bench_data"
"""The shipped messages in a checkout, and what a wheel calls that folder."""


def data_path(name: str) -> Path:
    """Return the place of messages; a path below data/ that is not here may be the project's own."""
    path = Path(name)
    if path.parts[:1] != (FOLDER,) or path.exists():
        return path
    places = (ROOT / path, ROOT.joinpath(INSTALLED, *path.parts[1:]))
    return next((place for place in places if place.exists()), path)
