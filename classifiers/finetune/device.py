"""Where a torch model computes and what it may do there: the only place that decides anything by the kind of device.

What is quick on a processor is not on a graphics card: its own attention and dropout in training, 16-bit products only
with the instructions for them, exports that answer on processors alone.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

from classifiers.errors import BenchError

if TYPE_CHECKING:
    import torch

PROCESSOR = "cpu"


def chosen_device(name: str) -> torch.device:
    """Return the device of a setting; `auto` takes a graphics card where there is one.

    Raises:
        BenchError: if this machine, or the torch that is installed, has no such device.
    """
    import torch

    there = {"cuda": torch.cuda.is_available(), "mps": torch.backends.mps.is_available(), PROCESSOR: True}
    if name == "auto":
        name = next(kind for kind, is_there in there.items() if is_there)
    if not there.get(name):
        raise BenchError(f"device = '{name}' is not available here; give 'auto' or '{PROCESSOR}'")
    return torch.device(name)


def is_processor(device: str) -> bool:
    """Tell whether a kind of device is the machine's processor, and what is made for processors alone may be used."""
    return device == PROCESSOR


def precision_for(wanted: str, device: str) -> str:
    """Return the precision of the matrix products: `auto` takes 16 bits only where the device has them.

    A processor without bfloat16 instructions emulates them at a tenth of float32's speed.
    """
    import torch

    if wanted != "auto":
        return wanted
    if device == "cuda":
        return "bfloat16" if torch.cuda.is_bf16_supported() else "float16"
    if is_processor(device) and (torch.cpu._is_avx512_bf16_supported() or torch.cpu._is_amx_tile_supported()):
        return "bfloat16"
    return "float32"


def training_options(device: str, precision: str) -> dict[str, Any]:
    """Return the arguments of transformers' Trainer that depend on the device."""
    return {
        "use_cpu": is_processor(device),
        "dataloader_pin_memory": device == "cuda",
        "ddp_backend": "gloo" if is_processor(device) and "WORLD_SIZE" in os.environ else None,
        "bf16": precision == "bfloat16",
        "fp16": precision == "float16",
        "tf32": True if device == "cuda" and precision != "float32" else None,
    }
