"""The catalogue of data sets that are known by a short name: what each is, where it is kept, and what its rows must be.

The catalogue holds no message. It says what a reader of a result must know of a public data set (licence, citation,
split, whether LLMs have probably read it), and a hash of the rows, so that a name means the same messages everywhere.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from pathlib import Path

import tomli
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from bench.dataset.parts import PARTS, Part
from classifiers.errors import BenchError, explain, nearest

CATALOGUE = Path(__file__).with_name("catalogue.toml")


class HubSource(BaseModel):
    """A data set of the Hub, and how its rows become messages.

    Rows with a label in `leave_out` are left out. With `groups` a label counts as the name of the group that lists it,
    and a row whose labels are of several groups is left out.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)
    name: str
    revision: str
    subset: str | None = None
    text: str = "text"
    label: str = "label"
    parts: tuple[Part, ...] = PARTS
    leave_out: tuple[str, ...] = ()
    groups: Mapping[str, tuple[str, ...]] = Field(default_factory=dict)


class Entry(BaseModel):
    """One data set.

    `rows` counts the messages per part. `split` says where the parts come from. `seen_by_llms` says that language
    models have probably read the messages with their labels in training. `sha256` is that of the rows as read
    (`bench.dataset.named.rows_hash`). `shipped` is the path of messages that come with the project. `hub` is missing
    where the Hub has no copy with these very rows; `source` then says where they come from.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)
    about: str
    n_labels: int
    rows: Mapping[str, int]
    licence: str
    citation: str
    source: str
    split: str
    seen_by_llms: bool
    sha256: str
    shipped: str = ""
    hub: HubSource | None = None
    instruction: str = ""
    definitions: Mapping[str, str] = Field(default_factory=dict)


@cache
def dataset_catalogue(file: Path = CATALOGUE) -> dict[str, Entry]:
    """Read the shipped catalogue, or another of its form.

    Raises:
        BenchError: if the file breaks its own schema.
    """
    rows = tomli.loads(file.read_text(encoding="utf-8"))
    try:
        return {name: Entry.model_validate(row) for name, row in rows.items()}
    except ValidationError as error:
        raise BenchError(explain(error, Entry, where=file.name)) from error


def dataset_entry(name: str) -> Entry:
    """Return the entry of a name; raises BenchError with the nearest one where there is none."""
    entries = dataset_catalogue()
    if name not in entries:
        raise BenchError(nearest(name, list(entries), what="data set"))
    return entries[name]
