"""The one TOML file that says what to run, validated; presets are such files in bench/presets/."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any, Literal

import tomli
from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator, model_validator

from classifiers.interface import BenchError
from classifiers.registry import explain, nearest

PRESETS = Path(__file__).parent / "presets"
NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*")


class Closed(BaseModel):
    """A table of the config: a misspelt key is an error."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class DataConfig(Closed):
    """Where the messages are.

    `path` is a folder with task.toml, a folder with train/validation/test tables, one CSV, TSV,
    JSONL or Parquet file, or hf:NAME; `text` and `label` name its columns; `definitions` gives
    labels a sentence where there is no task.toml.
    """

    path: str = "data/customer-messages"
    text: str = "text"
    label: str = "label"
    train: str | None = None
    validation: str | None = None
    test: str | None = None
    instruction: str = ""
    definitions: dict[str, str] = Field(default_factory=dict)


class SplitConfig(Closed):
    """How messages are divided; `pinned` is a file of texts, one a line, that always go to test."""

    method: Literal["stratified", "tail", "files"] | None = None
    validation: float = Field(0.1, gt=0, lt=1)
    test: float = Field(0.2, gt=0, lt=1)
    pinned: str | None = None
    duplicates: Literal["move", "report"] = "move"
    similarity: float = Field(0.8, gt=0, le=1)

    @model_validator(mode="after")
    def _leaves_a_training_part(self) -> SplitConfig:
        if self.validation + self.test >= 1:
            raise ValueError("validation and test shares together must be below 1")
        return self


class RunConfig(Closed):
    """A whole run; `classifiers` maps a row's name to its backend and that backend's settings."""

    name: str = "default"
    seed: int = 0
    threads: int = Field(0, ge=0, description="processor threads; 0 takes all cores")
    latency_messages: int = Field(50, ge=0)
    warmup_messages: int = Field(3, ge=0)
    data: DataConfig = Field(default_factory=DataConfig)
    split: SplitConfig = Field(default_factory=lambda: SplitConfig.model_validate({}))
    classifiers: dict[str, dict[str, Any]] = Field(min_length=1)

    @field_validator("classifiers")
    @classmethod
    def _names_are_folder_names(cls, rows: dict[str, dict[str, Any]]) -> dict[str, dict[str, Any]]:
        for name in rows:
            if not NAME.fullmatch(name):
                raise ValueError(f"'{name}' cannot be a folder's name; use letters, digits, '.', '_' and '-'")
        return rows

    def backend(self, name: str) -> str:
        """Give the backend of a row: its own key, or the row's name."""
        return str(self.classifiers[name].get("backend", name))

    def settings(self, name: str) -> dict[str, Any]:
        """Give a row's settings without the key that names its backend."""
        return {key: value for key, value in self.classifiers[name].items() if key != "backend"}


def preset_names() -> list[str]:
    """List the shipped presets."""
    return sorted(file.stem for file in PRESETS.glob("*.toml"))


def load_config(name: str) -> RunConfig:
    """Read a config by path or preset name.

    Raises:
        BenchError: if there is none, or it breaks TOML or the schema; one line that names the key.
    """
    path = Path(name)
    if not name.endswith(".toml"):
        path = PRESETS / f"{name}.toml"
        if name not in preset_names():
            raise BenchError(nearest(name, preset_names(), what="preset") + "; a config file ends in .toml")
    try:
        values = tomli.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise BenchError(f"config '{name}' cannot be read: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise BenchError(f"config '{name}' is not UTF-8: {error.reason} at byte {error.start}") from error
    except tomli.TOMLDecodeError as error:
        raise BenchError(f"config '{name}' is not TOML: {error}") from error
    return make_config({"name": path.stem, **values}, where=name)


def make_config(values: dict[str, Any], *, where: str) -> RunConfig:
    """Validate a config's values; raises BenchError as `load_config` does."""
    try:
        return RunConfig.model_validate(values)
    except ValidationError as error:
        location = error.errors()[0]["loc"]
        table = {"data": DataConfig, "split": SplitConfig}.get(str(location[0]) if location else "", RunConfig)
        raise BenchError(explain(error, table, where=where)) from error
