"""Fill the generated tables of README and docs from results/reference, by `python docs/blocks.py`.

Each block stands between `<!-- NAME -->` and `<!-- /NAME -->`. tests/test_docs.py compares them with the records, so a
figure in a document cannot differ from the run it comes from. Under every block stands the run and the commit.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from bench.analysis.compare import all_pairs
from bench.analysis.rows import full_data_rows
from bench.analysis.scored_run import rows_of
from bench.records.atlas import read_atlas
from bench.records.store import RunFolder
from bench.report.atlas.build import make_atlas
from bench.report.atlas.files import PICTURE, markdown
from bench.report.build import Report, make_report
from bench.report.files import write_document
from bench.report.markdown import results_block
from bench.report.tables.speed import speed_block
from bench.robustness.suites import stress_records
from bench.speed.results import read_speed

REPOSITORY = Path(__file__).parents[1]
REFERENCE = REPOSITORY / "results" / "reference"
COMPARED = ("Results", "Scores", "Speed", "Size", "What it takes", "Differences in accuracy")


@dataclass(frozen=True, slots=True)
class Block:
    """A generated block: its document, its name, the reference run, and how the titles of its tables begin.

    Without titles it holds the headline, the verdict, the caveats and the first table.
    """

    document: str
    name: str
    run: str
    titles: tuple[str, ...] = ()


BLOCKS = (
    Block("README.md", "results", "default"),
    Block("docs/results.md", "default", "default", COMPARED),
    Block("docs/results.md", "ladder", "llm-ladder", COMPARED),
    Block("docs/results.md", "curve", "curve"),
    Block("docs/results.md", "several", "several-labels", ("Results", "Scores")),
    Block("docs/results.md", "distilled", "distilled", ("Learning curve", "Results", "Speed")),
    Block("docs/results.md", "stress", "default", ("Challenge", "Perturbed", "Prompt injection")),
)
SPEED = Block("docs/results.md", "speed", "speed")
ATLAS = Block("docs/atlas.md", "atlas", "atlas")


def reference_report(name: str) -> Report:
    """Work out the report of a reference run from its records."""
    run = RunFolder(REFERENCE / name)
    rows = rows_of(run)
    return make_report(run.read(), rows, all_pairs(full_data_rows(rows)), stress_records(run))


def block_text(block: Block) -> str:
    """Return the Markdown that stands between a block's markers."""
    if block == SPEED:
        return speed_block(read_speed(REFERENCE / "speed"))
    if block == ATLAS:
        return markdown(make_atlas(read_atlas(REFERENCE / "atlas")), f"../results/reference/atlas/{PICTURE}")
    report = reference_report(block.run)
    source = f"Run [{block.run}]({_link(block)}), commit `{report.run.git_commit or 'unknown'}`."
    return f"{results_block(report, block.titles)}\n\n{source}"


def _link(block: Block) -> str:
    """Return the relative link from a document to the whole report of its run."""
    up = "../" * block.document.count("/")
    return f"{up}results/reference/{block.run}/report.md"


def fill() -> None:
    """Write every block into its document."""
    for block in (*BLOCKS, SPEED, ATLAS):
        write_document(REPOSITORY / block.document, block.name, block_text(block))


if __name__ == "__main__":
    fill()
