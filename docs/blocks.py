"""Fill the generated tables of README and docs from results/reference, by `python docs/blocks.py`.

Each block stands between `<!-- NAME -->` and `<!-- /NAME -->`. tests/test_docs.py compares them with the records, so a
figure in a document cannot differ from the run it comes from. Under every block stands the run and the commit.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from bench.analysis.compare import all_pairs
from bench.analysis.rows import full_data_rows
from bench.analysis.scored_run import rows_of
from bench.records.atlas import read_atlas
from bench.records.store import RunFolder
from bench.records.types import RunRecord
from bench.report.atlas.build import make_atlas
from bench.report.atlas.files import EMPTY, PICTURE, PICTURE_SHOWS, markdown
from bench.report.atlas.tables import rows_table, stopping_table
from bench.report.build import Report, make_report
from bench.report.files import write_document
from bench.report.markdown import results_block
from bench.report.scores_file import read_classifiers
from bench.report.side_by_side import ScoredRun, letters_table, side_by_side
from bench.report.tables.ratios import ratio_block
from bench.report.tables.runs import time_table
from bench.report.tables.speed import speed_block
from bench.report.tables.table import escaped, titled_lines
from bench.report.text import count, number
from bench.robustness.suites import stress_records
from bench.speed.results import read_speed
from classifiers.plurals import number_of

REPOSITORY = Path(__file__).parents[1]
REFERENCE = REPOSITORY / "results" / "reference"
COMPARED = ("Results", "Scores", "Speed", "Size", "What it takes", "Differences in accuracy")
FIRST_CLAIMS = 3
ALL_ROWS = ("all-rows", "all-rows-banking77_10")


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
    if block in MADE:
        return MADE[block]()
    report = reference_report(block.run)
    source = f"Run [{block.run}]({_link(block)}), commit `{report.run.git_commit or 'unknown'}`."
    return f"{results_block(report, block.titles)}\n\n{source}"


def _published(name: str) -> str:
    """Return the rows of a run on public data, of which records without texts are kept: scores.json and cell.json."""
    scored = _scored(f"published/{name}")
    lines = ["| measured here | parameters | accuracy % | training s |", "| --- | ---: | ---: | ---: |"]
    for cell in scored.cells.values():
        _, accuracy, _ = scored.figures(cell.classifier)
        lines.append(f"| {cell.classifier} | {count(cell.n_parameters)} | {accuracy} | {number(cell.fit_seconds)} |")
    return "\n".join([*lines, "", _ran_on(scored.run)])


def _scored(name: str) -> ScoredRun:
    """Read a reference run without its messages."""
    run = RunFolder(REFERENCE / name)
    cells = {cell.classifier: cell for cell, _ in run.cells()}
    return ScoredRun(run.read(), cells, read_classifiers((run.path / "scores.json").read_text("utf-8")))


def _ran_on(run: RunRecord) -> str:
    """Name a run's machine with its instruction sets, and the commit."""
    threads = number_of(int(run.machine["threads"]), "thread")
    machine = f"{run.machine['processor']}, {threads}, {run.machine['features']}"
    return f"{machine}; commit `{run.git_commit or 'unknown'}`."


def _all_rows() -> str:
    """Return the rows of the preset all-rows on two data sets, and what letters buy."""
    names = [name for name in ALL_ROWS if (REFERENCE / name / "run.json").exists()]
    if not names:
        return "No such run is here yet: `bench run all-rows` makes one."
    runs = [_scored(name) for name in names]
    lines = [*titled_lines(side_by_side(runs)), *titled_lines(letters_table(runs))]
    return "\n".join([*lines, *(f"{run.name}: {_ran_on(run.run)}" for run in runs)])


def _atlas_rows() -> str:
    """Return the rows of the atlas on its data set of 77 labels."""
    scores = [one_set for one_set in read_atlas(REFERENCE / "atlas") if one_set.data_set == "banking77"]
    return "\n".join(titled_lines(rows_table(scores[0]))).strip() if scores else EMPTY


def _stopping() -> str:
    """Return how soon slow rows of the atlas stopped."""
    scores = read_atlas(REFERENCE / "atlas")
    return "\n".join(titled_lines(stopping_table(scores))).strip() if scores else EMPTY


def _first_claims() -> str:
    """Return the picture of the atlas and what it shows first."""
    atlas = make_atlas(read_atlas(REFERENCE / "atlas"))
    if not atlas.scores:
        return EMPTY
    picture = f"![{PICTURE_SHOWS}](results/reference/atlas/{PICTURE})"
    return "\n".join([picture, "", *(f"- {escaped(claim)}" for claim in atlas.claims[:FIRST_CLAIMS])])


def _default_times() -> str:
    """Return where the time of the default run went."""
    run = RunFolder(REFERENCE / "default")
    return "\n".join([*titled_lines(time_table(rows_of(run))), _ran_on(run.read())])


PUBLISHED = tuple(
    Block("results/reference/published.md", name.replace("-", "_"), name)
    for name in ("banking77", "banking77-10shot", "clinc150")
)
MADE: dict[Block, Callable[[], str]] = {
    SPEED: lambda: speed_block(read_speed(REFERENCE / "speed")),
    ATLAS: lambda: markdown(make_atlas(read_atlas(REFERENCE / "atlas")), f"../results/reference/atlas/{PICTURE}"),
    **{block: partial(_published, block.run) for block in PUBLISHED},
    Block("README.md", "claims", "atlas"): _first_claims,
    Block("docs/speed.md", "ratios", "speed"): lambda: ratio_block(read_speed(REFERENCE / "speed")),
    Block("docs/speed.md", "default_run", "default"): _default_times,
    Block("docs/speed.md", "stopping", "atlas"): _stopping,
    Block("docs/rows.md", "all_rows", "all-rows"): _all_rows,
    Block("docs/rows.md", "banking77", "atlas"): _atlas_rows,
}
"""The blocks that are made of more than one run's report."""


def _link(block: Block) -> str:
    """Return the relative link from a document to the whole report of its run."""
    up = "../" * block.document.count("/")
    return f"{up}results/reference/{block.run}/report.md"


def fill() -> None:
    """Write every block into its document."""
    for block in (*BLOCKS, *MADE):
        write_document(REPOSITORY / block.document, block.name, block_text(block))


if __name__ == "__main__":
    fill()
