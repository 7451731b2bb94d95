"""Write the ONNX graphs of a trained encoder beside its weights, once their answers are seen to be the model's."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

from classifiers.encoder.export.exported import FILES, Exported, export
from classifiers.encoder.export.runtime import Comparison
from classifiers.errors import BenchError
from classifiers.exporting import Graph, Usage, usage
from classifiers.interface import Task
from classifiers.plurals import number_of

if TYPE_CHECKING:
    from classifiers.finetune.fine_tuned import FineTuned


def write_graphs(
    tuned: FineTuned, graphs: Sequence[Graph], comparison: Comparison, folder: Path, *, threads: int
) -> None:
    """Write the graphs into a folder.

    Raises:
        BenchError: if a package is missing, or a graph's answers are not the model's.
    """
    with TemporaryDirectory(prefix="bench-export-") as place:
        export(tuned.model, comparison.mixed[0], Path(place), graphs)
        answers = comparison.answers(tuned.probabilities)
        for graph in graphs:
            opened = Exported.open(
                Path(place), graph, n_parameters=tuned.n_parameters, several=tuned.takes_several, threads=threads
            )
            measured = comparison.measure(graph, opened.probabilities, answers)
            if not measured.is_faithful:
                raise BenchError(
                    f"the graph for '{graph}' gives {1 - measured.equal:.1%} other answers than the model on "
                    f"{number_of(len(answers), 'message')}; export without it"
                )
            opened.save(folder)


def graph_usages(task: Task, graphs: Sequence[Graph]) -> list[Usage]:
    """Return how the graphs are run, by the first of them."""
    if not graphs:
        return []
    shown = usage("onnx", task)
    return [replace(shown, code=shown.code.replace("GRAPH", f'"{FILES[graphs[0]]}"'))]
