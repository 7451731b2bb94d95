"""The catalogue of models that are known by a short name: where each is kept, and what it must be."""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import Literal

import tomli
from pydantic import BaseModel, ConfigDict, ValidationError

from classifiers.errors import BenchError, explain

Kind = Literal["encoder", "gguf"]
CATALOGUE = Path(__file__).with_name("catalogue.toml")


class Entry(BaseModel):
    """One row of the catalogue.

    `member` ends in / for a folder. `parts` counts the wheels, whose members are one file when they are joined; with
    `archive` that file is a zip, and `archive` is the folder in it.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)
    kind: Kind
    hub: str
    file: str
    wheel: str | None = None
    member: str | None = None
    parts: int = 1
    archive: str | None = None
    sha256: str | None = None
    bytes: int = 0
    parameters: int | None = None
    licence: str = "unknown"


@cache
def catalogue() -> dict[str, Entry]:
    """Read the shipped catalogue.

    Raises:
        BenchError: if the file breaks its own schema.
    """
    rows = tomli.loads(CATALOGUE.read_text(encoding="utf-8"))
    try:
        return {name: Entry.model_validate(row) for name, row in rows.items()}
    except ValidationError as error:
        raise BenchError(explain(error, Entry, where=CATALOGUE.name)) from error


def hub_name(name: str) -> str:
    """Return the Hub's name of a model that the catalogue has, and any other name as it is."""
    return catalogue()[name].hub if name in catalogue() else name
