"""Read weights that other people wrote: as data only, and as no pickle that nobody asked for.

A pickle is a program: reading one runs what its maker wrote. torch reads weights from pickles too, with `weights_only`,
which allows tensors and little else; that is a filter, where safetensors has nothing to filter. scikit-learn's models
come from skops files, which name every type in them.
"""

from __future__ import annotations

import json
import zipfile
from pathlib import Path
from typing import Any

from classifiers.errors import BenchError

INDEX, PICKLED, PICKLED_INDEX = "model.safetensors.index.json", "pytorch_model.bin", "pytorch_model.bin.index.json"
"""The names transformers knows: of a list of several files of weights, and of weights as pickle."""
PICKLE_ENDINGS = (".bin", ".pt", ".pth")
UNKNOWN_TO_SKOPS = ["sklearn.multiclass._ConstantPredictor"]
"""What a saved model may name beyond the types skops trusts: scikit-learn's stand-in for a label never trained on."""


def weights_of(folder: Path, *, allow_pickle: bool) -> list[Path]:
    """Return the files of weights in an encoder's folder; pickles only where they may be and there is nothing else.

    Raises:
        BenchError: if there are none, or only pickles that are not allowed, or a list names files of elsewhere.
    """
    safe = sorted(folder.glob("*.safetensors"))
    pickled = sorted(file for file in folder.glob("*") if file.suffix in PICKLE_ENDINGS)
    if not (folder / "config.json").is_file() or not (safe or pickled):
        raise BenchError(f"model '{folder}' is not a folder with config.json and *.safetensors")
    if safe:
        _check_index(folder / INDEX, ".safetensors")
        return safe
    if not allow_pickle:
        raise BenchError(
            f"model '{folder}' holds its weights as pickle ({pickled[0].name}), which can run code when it is read; "
            "convert it to safetensors, or give the encoder allow_pickle = true"
        )
    if not any((folder / name).is_file() for name in (PICKLED, PICKLED_INDEX)):
        raise BenchError(f"model '{folder}' has neither {PICKLED} nor {PICKLED_INDEX}")
    _check_index(folder / PICKLED_INDEX, ".bin")
    return pickled


def _check_index(index: Path, ending: str) -> None:
    """See that a list of the files weights are in names files beside it, of that kind."""
    if not index.is_file():
        return
    try:
        names = set(json.loads(index.read_text(encoding="utf-8"))["weight_map"].values())
        strays = [name for name in names if Path(name).name != name or not name.endswith(ending)]
    except (OSError, ValueError, RecursionError, LookupError, TypeError, AttributeError) as error:
        raise BenchError(f"{index} is no list of weights ({type(error).__name__})") from error
    if strays:
        raise BenchError(f"{index} names {strays[0]!r}, which is no {ending} file beside it")


def read_fitted(path: Path) -> Any:
    """Read a fitted scikit-learn model that skops wrote.

    Raises:
        BenchError: if the file is none, or names types that are not known to be harmless.
    """
    from skops.io import load

    broken = (OSError, ValueError, LookupError, TypeError, AttributeError, ImportError, RecursionError)
    try:
        return load(path, trusted=UNKNOWN_TO_SKOPS)
    except (*broken, zipfile.BadZipFile) as error:  # a type that is not trusted is a TypeError
        reason = " ".join(str(error).split())[:200]
        raise BenchError(f"{path} cannot be read: {reason}; run the benchmark again") from error
