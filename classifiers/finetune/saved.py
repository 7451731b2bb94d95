"""What a saved model says of itself, beside its weights: the last file of its folder to be written."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Literal, TypeVar

from pydantic import BaseModel, ConfigDict, ValidationError

from classifiers.errors import BenchError
from classifiers.interface import ModelFile, Task, Trial

FILE = "fitted.json"
LAYOUT = 2
"""How the files of a saved model lie; before 2, transformers opened some of them with a head of random weights."""
Runtime = Literal["auto", "torch", "onnx", "onnx-int8", "openvino"]
MAX_DIFFERING = 0.005
"""The share of answers that may differ from torch's before an export is refused."""


@dataclass(frozen=True, slots=True)
class Measured:
    """A way to run the model: the share of answers equal to torch's, rate in batches and time for one message."""

    runtime: Runtime
    equal: float
    messages_per_s: float
    single_ms: float

    @property
    def is_faithful(self) -> bool:
        """Tell whether it answers as torch does, but for half a percent."""
        return self.equal >= 1 - MAX_DIFFERING


class Saved(BaseModel):
    """The labels it was trained on, in order, what it was made of, and which runtime it was exported for."""

    model_config = ConfigDict(frozen=True, protected_namespaces=())
    labels: tuple[str, ...]
    models: tuple[ModelFile, ...]
    model_name: str
    notes: tuple[str, ...]
    thresholds: tuple[float, ...] = ()
    layout: int = 1
    runtime: Literal["torch", "onnx", "onnx-int8", "openvino"] = "torch"
    n_parameters: int = 0
    measured: tuple[Measured, ...] = ()
    trials: tuple[Trial, ...] = ()

    def write(self, folder: Path) -> None:
        """Write it into the folder of the model."""
        current = self.model_copy(update={"layout": LAYOUT})
        (folder / FILE).write_text(current.model_dump_json(), encoding="utf-8")


def read_saved(folder: Path, task: Task) -> Saved:
    """Read what a saved model says of itself.

    Raises:
        BenchError: if the folder holds no whole model or one of another task.
    """
    if not (folder / FILE).is_file():
        raise BenchError(f"{folder} holds no saved model")
    saved = read_state(folder / FILE, Saved)
    if saved.layout != LAYOUT:
        raise BenchError(f"{folder} was saved by another version of this program; run the benchmark again")
    if saved.labels != task.label_names:
        raise BenchError(f"the model in {folder} was trained on other labels")
    if len(saved.thresholds) not in (0, len(saved.labels)):
        raise BenchError(f"{folder / FILE} is broken: {len(saved.thresholds)} thresholds; run the benchmark again")
    return saved


M = TypeVar("M", bound=BaseModel)


def read_state(file: Path, kind: type[M]) -> M:
    """Read what a backend wrote of itself as JSON.

    Raises:
        BenchError: if the file is not there or is broken.
    """
    try:
        return kind.model_validate_json(file.read_bytes())
    except (OSError, ValidationError) as error:
        raise BenchError(f"{file} cannot be read; run the benchmark again") from error
