"""A fine-tuned encoder exported to ONNX and run by onnxruntime or OpenVINO, often several times faster.

An export can be wrong without a word: an older tracing exporter froze the branch that reads the attention
mask, and the exported model agreed with torch on half of the answers. So no export is used before its
answers were compared with torch's, on padded batches of messages of mixed length (see `runtime`).
"""

from __future__ import annotations

import shutil
import warnings
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from classifiers.encoder.export.openvino import Run
from classifiers.errors import BenchError
from classifiers.finetune.saved import Runtime

if TYPE_CHECKING:
    from transformers import PreTrainedModel

EXPORTS: tuple[Runtime, ...] = ("onnx", "onnx-int8", "openvino")
INPUTS = ("input_ids", "attention_mask")
GRAPH, SMALL_GRAPH = "model.onnx", "model-int8.onnx"
FILES: dict[str, str] = {"onnx": GRAPH, "onnx-int8": SMALL_GRAPH, "openvino": GRAPH}

Batch = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Exported:
    """An encoder in another runtime; column i of its probabilities is the task's label i.

    `precision` is the precision it computes with.
    """

    runtime: Runtime
    folder: Path
    n_parameters: int
    several: bool
    run: Run
    precision: str

    @classmethod
    def open(cls, folder: Path, runtime: Runtime, *, n_parameters: int, several: bool, threads: int) -> Exported:
        """Read an exported model.

        Raises:
            BenchError: if the runtime is not installed.
        """
        file = folder / FILES[runtime]
        if runtime == "openvino":
            from classifiers.encoder.export.openvino import open_graph

            _need("openvino")
            run, precision = open_graph(file, threads)
        else:
            run, precision = _open_onnx(file, threads), "int8" if runtime == "onnx-int8" else "float32"
        return cls(runtime, folder, n_parameters, several, run, precision)

    @property
    def device(self) -> str:
        """Return the kind of processor it runs on."""
        return "cpu"

    @property
    def bytes_on_disk(self) -> int:
        """Return the size of the exported model."""
        return (self.folder / FILES[self.runtime]).stat().st_size

    def save(self, folder: Path) -> None:
        """Copy the exported model into a folder."""
        shutil.copy2(self.folder / FILES[self.runtime], folder)

    def probabilities(self, batch: Batch) -> list[list[float]]:
        """Return each row's probabilities, which add up to 1 only where a message has one label."""
        from scipy.special import expit, softmax

        logits = self.run({name: np.asarray(batch[name], dtype=np.int64) for name in INPUTS}).astype(np.float64)
        rows: list[list[float]] = (expit(logits) if self.several else softmax(logits, axis=1)).tolist()
        return rows


def export(model: PreTrainedModel, example: Batch, folder: Path, runtimes: Sequence[Runtime]) -> None:
    """Write the ONNX files these runtimes read.

    Args:
        model: a sequence classifier on the CPU.
        example: a batch of at least 2 messages and 2 tokens; its sizes are not baked in.
        folder: where the files go.
        runtimes: those wanted.

    Raises:
        BenchError: if a package is missing.
    """
    import torch

    _need("onnxscript")
    sizes = {0: torch.export.Dim("messages"), 1: torch.export.Dim("tokens", min=2)}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        torch.onnx.export(
            _logits_only(model),
            tuple(example[name] for name in INPUTS),
            folder / GRAPH,
            input_names=list(INPUTS),
            output_names=["logits"],
            dynamic_shapes=(sizes, sizes),
            dynamo=True,
            external_data=False,
            verbose=False,
        )
    if "onnx-int8" in runtimes:
        _quantize(folder)


def _logits_only(model: PreTrainedModel) -> Any:
    """Wrap a model so that it gives a plain tensor, which an ONNX graph can name."""
    import torch

    class Logits(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.model = model

        def forward(self, input_ids: torch.Tensor, attention_mask: torch.Tensor) -> torch.Tensor:
            logits: torch.Tensor = self.model(input_ids=input_ids, attention_mask=attention_mask).logits
            return logits

    return Logits().eval()


def _quantize(folder: Path) -> None:
    """Write the graph again with 8-bit weights; activations are quantised at run time."""
    _need("onnxruntime")
    from onnxruntime.quantization import QuantType, quantize_dynamic

    quantize_dynamic(folder / GRAPH, folder / SMALL_GRAPH, weight_type=QuantType.QInt8, per_channel=True)


def _need(package: str) -> None:
    import importlib

    try:
        importlib.import_module(package)
    except ImportError as error:
        raise BenchError(f"exported encoders need {package}; install it with: pip install '.[fast]'") from error


def _open_onnx(file: Path, threads: int) -> Run:
    _need("onnxruntime")
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")  # its threads leave the cores to others
    options.log_severity_level = 3
    session = onnxruntime.InferenceSession(str(file), options, providers=["CPUExecutionProvider"])

    def run(inputs: dict[str, NDArray[np.int64]]) -> NDArray[np.float32]:
        logits: NDArray[np.float32] = session.run(["logits"], inputs)[0]
        return logits

    return run


def installed(runtimes: Sequence[Runtime]) -> list[Runtime]:
    """Return the runtimes whose packages are there."""
    usable: list[Runtime] = []
    for runtime in runtimes:
        with suppress(BenchError):
            _need("onnxscript")
            _need("openvino" if runtime == "openvino" else "onnxruntime")
            usable.append(runtime)
    return usable
