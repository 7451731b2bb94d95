"""What a saved encoder says of itself, beside its weights: the last file of its folder to be written."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ConfigDict, ValidationError

from classifiers.errors import BenchError
from classifiers.interface import ModelFile, Task, Trial

FILE = "fitted.json"
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
    runtime: Literal["torch", "onnx", "onnx-int8", "openvino"] = "torch"
    n_parameters: int = 0
    measured: tuple[Measured, ...] = ()
    trials: tuple[Trial, ...] = ()

    def write(self, folder: Path) -> None:
        """Write it into the folder of the model."""
        (folder / FILE).write_text(self.model_dump_json(), encoding="utf-8")


def read_saved(folder: Path, task: Task) -> Saved:
    """Read what a saved encoder says of itself.

    Raises:
        BenchError: if the folder holds no whole model or one of another task.
    """
    if not (folder / FILE).is_file():
        raise BenchError(f"{folder} holds no saved encoder")
    try:
        saved = Saved.model_validate_json((folder / FILE).read_bytes())
    except (OSError, ValidationError) as error:
        raise BenchError(f"{folder / FILE} is broken; run the benchmark again") from error
    if saved.labels != task.label_names:
        raise BenchError(f"the encoder in {folder} was trained on other labels")
    if len(saved.thresholds) not in (0, len(saved.labels)):
        raise BenchError(f"{folder / FILE} is broken: {len(saved.thresholds)} thresholds; run the benchmark again")
    return saved
