"""The one TOML file that says what to run, validated; presets are such files in bench/config/presets/."""

from __future__ import annotations

import math
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import tomli
from pydantic import Field, ValidationError, field_validator, model_validator

from bench.config.cells import CellPlan
from bench.config.tables import (
    CascadeConfig,
    Closed,
    CostConfig,
    DataConfig,
    RowConfig,
    Seed,
    SplitConfig,
    StopConfig,
    SweepConfig,
    VerdictConfig,
    check_names,
)
from bench.measure.limits import usable_cores
from classifiers.errors import BenchError, explain, nearest

PRESETS = Path(__file__).parent / "presets"


class RunConfig(Closed):
    """A whole run; `classifiers` maps a row's name to its backend and that backend's settings.

    `jobs` cells run at a time and share the threads; their times then say little, and the report leaves them
    out. `validation_messages` is how many of the validation part a classifier answers at most, for what
    is chosen on it later. Without `keep_models` fitted classifiers are not saved.
    """

    name: str = "default"
    seed: Seed = 0
    threads: int = Field(0, ge=0, description="processor threads; 0 takes all physical cores")
    jobs: int = Field(1, gt=0)
    latency_messages: int = Field(50, ge=0)
    warmup_messages: int = Field(3, ge=0)
    validation_messages: int = Field(200, ge=0)
    keep_models: bool = True
    data: DataConfig = Field(default_factory=DataConfig)
    split: SplitConfig = Field(default_factory=lambda: SplitConfig.model_validate({}))
    cost: CostConfig = Field(default_factory=lambda: CostConfig.model_validate({}))
    verdict: VerdictConfig = Field(default_factory=lambda: VerdictConfig.model_validate({}))
    stop: StopConfig = Field(default_factory=lambda: StopConfig.model_validate({}))
    classifiers: dict[str, RowConfig] = Field(min_length=1)

    cascades: dict[str, CascadeConfig] = Field(default_factory=dict)
    sweep: SweepConfig | None = None

    @field_validator("name")
    @classmethod
    def _name_leads_nowhere(cls, name: str) -> str:
        """A run's folder is called after it."""
        if not name.isprintable() or set(name) & set("/\\"):
            raise ValueError(f"{name!r} cannot be part of a folder's name; leave out '/' and signs that cannot be seen")
        return name

    @field_validator("classifiers")
    @classmethod
    def _names_are_folder_names(cls, rows: dict[str, RowConfig]) -> dict[str, RowConfig]:
        return check_names(rows)

    @model_validator(mode="after")
    def _cells_have_names_of_their_own(self) -> RunConfig:
        names = self.cell_names
        if double := next(
            (name for name in [*names, *self.cascades] if [*names, *self.cascades].count(name) > 1), None
        ):
            raise ValueError(f"two rows would both be run as '{double}'; rename one")
        for name, cascade in self.cascades.items():
            if missing := {cascade.first, *filter(None, [cascade.second])} - set(names):
                raise ValueError(f"cascade '{name}' names '{min(missing)}', which is no row ({', '.join(names)})")
        return self

    @model_validator(mode="after")
    def _a_verdict_by_cost_has_prices(self) -> RunConfig:
        if self.verdict.by == "cost" and not self.cost.prices_mistakes:
            raise ValueError("verdict: by = 'cost' needs prices of mistakes; give `wrong` or `person` in [cost]")
        return self

    @model_validator(mode="after")
    def _answers_of_groups_are_all_given(self) -> RunConfig:
        if self.data.group and self.stop.when == "always":
            raise ValueError("stop: no row can stop early where messages come in groups ([data] group); leave it out")
        return self

    def runs(self) -> list[RunConfig]:
        """Return the runs a sweep consists of; without one, this run alone."""
        if self.sweep is None:
            return [self]
        data = self.sweep.data or {"": self.data}
        return [
            self.model_copy(
                update={
                    "name": "-".join(filter(None, [self.name, name, f"seed{seed}" if self.sweep.seeds else ""])),
                    "data": data_set,
                    "seed": seed,
                    "sweep": None,
                }
            )
            for name, data_set in data.items()
            for seed in self.sweep.seeds or [self.seed]
        ]

    @property
    def threads_per_cell(self) -> int:
        """Return the processor threads one classifier may use."""
        return max((self.threads or usable_cores()) // self.jobs, 1)

    def cells(self) -> list[CellPlan]:
        """Return everything that is to be run, in the order of the rows."""
        return [cell for name in self.classifiers for cell in self._cells_of(name)]

    @property
    def cell_names(self) -> list[str]:
        """Name everything that is to be run."""
        return [cell.name for cell in self.cells()]

    def cell(self, name: str) -> CellPlan:
        """Return a cell by its name."""
        return next(cell for cell in self.cells() if cell.name == name)

    def _cells_of(self, name: str) -> Iterator[CellPlan]:
        row = self.classifiers[name]
        settings = row.model_extra or {}
        for size in row.train_per_label:
            for i in range(row.seeds):
                per_label = None if size == "all" else int(size)
                parts = [name, *([str(per_label)] if per_label else []), *([f"seed{i}"] if i else [])]
                yield CellPlan("-".join(parts), name, row.backend or name, settings, self.seed + i, per_label)


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
        values = tomli.loads(path.read_text(encoding="utf-8"), parse_float=_finite)
    except OSError as error:
        raise BenchError(f"config '{name}' cannot be read: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise BenchError(f"config '{name}' is not UTF-8: {error.reason} at byte {error.start}") from error
    except (ValueError, RecursionError) as error:  # numbers of too many digits and tables in tables without end, too
        raise BenchError(f"config '{name}' is not TOML: {error}") from error
    return make_config({"name": path.stem, **values}, where=name)


def _finite(text: str) -> float:
    """Refuse TOML's inf and nan, which no setting has a use for and JSON, which records are kept in, does not know."""
    value = float(text)
    if not math.isfinite(value):
        raise ValueError(f"{text} is no number here")
    return value


def make_config(values: dict[str, Any], *, where: str) -> RunConfig:
    """Validate a config's values; raises BenchError as `load_config` does."""
    try:
        return RunConfig.model_validate(values)
    except ValidationError as error:
        location = error.errors()[0]["loc"]
        table = {
            "data": DataConfig,
            "split": SplitConfig,
            "cost": CostConfig,
            "verdict": VerdictConfig,
            "stop": StopConfig,
            "sweep": SweepConfig,
        }.get(str(location[0]) if location else "", RunConfig)
        raise BenchError(explain(error, table, where=where)) from error


def make_costs(values: dict[str, Any]) -> CostConfig:
    """Validate prices, some of which were given on the command line."""
    try:
        return CostConfig.model_validate(values)
    except ValidationError as error:
        raise BenchError(explain(error, CostConfig, where="prices")) from error


def make_cascade(values: dict[str, Any]) -> CascadeConfig:
    """Validate the values of a cascade given on the command line."""
    try:
        return CascadeConfig.model_validate(values)
    except ValidationError as error:
        raise BenchError(explain(error, CascadeConfig, where="cascade")) from error
