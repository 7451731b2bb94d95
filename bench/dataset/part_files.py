"""Find the files of a folder that hold the parts of a data set, by their names."""

from __future__ import annotations

from pathlib import Path

from bench.dataset.parts import Part
from bench.dataset.row_reader import KINDS
from classifiers.errors import BenchError

PART_FILES: dict[Part, tuple[str, ...]] = {
    "train": ("train",),
    "validation": ("validation", "valid", "val", "dev"),
    "test": ("test",),
}


def find_parts(folder: Path) -> dict[Part, Path]:
    """Return the file of each part that a folder has; there is always a train file.

    Raises:
        BenchError: if two files are the same part, or none is the training part.
    """
    files: dict[Part, Path] = {}
    for part, stems in PART_FILES.items():
        present = [file for stem in stems for kind in KINDS if (file := folder / f"{stem}{kind}").is_file()]
        if len(present) > 1:
            both = " and ".join(file.name for file in present[:2])
            raise BenchError(f"{folder}: {both} both are the {part} part; delete or rename one")
        if present:
            files[part] = present[0]
    if "train" not in files:
        raise BenchError(f"{folder}: holds neither task.toml nor train{'|'.join(KINDS)}; give the path of a file")
    return files
