"""The command that carries a trained classifier to other programs, with its model card."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING

from bench.commands.shared import make_console, report_of
from classifiers.plurals import number_of

if TYPE_CHECKING:
    from classifiers.exporting import Graph


def export_classifier(options: argparse.Namespace) -> int:
    """Write a classifier, its decisions and its card into a folder."""
    from bench.inference.export import export
    from bench.records.store import find_cell
    from bench.report.card import card

    run, name = find_cell(options.model, options.results)
    graphs: list[Graph] = []
    graphs += ["onnx"] if options.onnx else []
    graphs += ["onnx-int8"] if options.int8 else []
    console = make_console()
    with console.status(f"exporting {name}"):
        exported = export(
            run,
            name,
            options.folder,
            graphs=tuple(graphs),
            accuracy=options.accuracy,
            card=lambda made: card(report_of(run), made),
        )
    programs = ", ".join(usage.program for usage in exported.deployment.usages)
    console.print(f"wrote {options.folder}, which runs under: {programs}", soft_wrap=True)
    if n := exported.deployment.n_messages:
        console.print(f"it holds {number_of(n, 'message')} of your data as examples", soft_wrap=True)
    console.print(f"how to run it: {options.folder / 'README.md'}; share it with: hf upload NAME {options.folder}")
    return 0
