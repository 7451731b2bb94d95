"""What the documentation tells people to run does run."""

from __future__ import annotations

import importlib
import os
import re
import shlex
import subprocess
import sys
from collections.abc import Callable
from dataclasses import fields
from pathlib import Path
from types import ModuleType

import pandas as pd
import pytest
import tomli
from conftest import REPOSITORY

from bench.cli import main, make_parser
from bench.config.cells import make_classifier
from bench.config.run import RunConfig, make_config
from bench.dataset.task_file import TaskFile
from bench.inference.saved import open_saved
from bench.records.store import RunFolder
from bench.records.types import CellRecord
from bench.report.markdown import replace_block
from classifiers.registry import GROUP, backend_names, find_backend
from classifiers.testing import MESSAGES

pytestmark = pytest.mark.slow

DOCS = REPOSITORY / "docs"
PAGES = [REPOSITORY / "README.md", *sorted(DOCS.glob("**/*.md"))]
LANGUAGES = {"", "toml", "python", "mermaid", "text", "yaml"}
"""Blocks without a language hold commands; `text` is for what nobody types."""


def fences(page: Path) -> list[tuple[str, str]]:
    """The fenced blocks of a page, each with its language."""
    pieces = re.split(r"^```(.*)$", page.read_text(encoding="utf-8"), flags=re.MULTILINE)
    # outside, language, inside, "", outside, ...
    return [(kind.strip(), inside) for kind, inside in zip(pieces[1::4], pieces[2::4], strict=True)]


def blocks(language: str, pages: list[Path] = PAGES) -> list[str]:
    """The fenced blocks of a language in README and docs."""
    return [inside for page in pages for kind, inside in fences(page) if kind == language]


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_no_block_escapes_these_tests(page: Path) -> None:
    assert {kind for kind, _ in fences(page)} <= LANGUAGES
    text = page.read_text(encoding="utf-8")
    assert not re.search(r"^[ \t>]+```|^~~~|^````", text, re.MULTILINE), "blocks begin at the margin, with three signs"
    assert not [
        line for kind, inside in fences(page) if kind == "text" for line in inside.splitlines() if "bin/" in line
    ]


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_file_that_a_page_links_to_is_there(page: Path) -> None:
    for target in re.findall(r"\]\((?!https?:|#)([^)\s#]+)", page.read_text(encoding="utf-8")):
        assert (page.parent / target).is_file(), target


@pytest.mark.parametrize("block", blocks("toml"))
def test_every_config_that_is_shown_is_a_valid_one(block: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(REPOSITORY)  # a row may name a file of it
    values = tomli.loads(block)
    if block.strip().startswith("# task.toml"):
        TaskFile.model_validate(values)
        return
    if block.strip().startswith("# pyproject.toml"):
        assert list(values["project"]["entry-points"]) == [GROUP]
        return
    if block.strip().startswith("# definitions.toml"):
        assert all(set(variant) <= {"Refund Request", "Order Inquiry"} for variant in values.values())
        return
    rows = {"encoder": {}, "llama_cpp-tuned": {"backend": "llama_cpp"}} | values.pop("classifiers", {})
    config = make_config({**values, "classifiers": rows}, where="README")
    for cell in config.cells():
        make_classifier(cell, threads=1)


@pytest.mark.parametrize("line", [line for block in blocks("") for line in block.splitlines() if "bench " in line])
def test_every_command_that_is_shown_can_be_given(line: str) -> None:
    program, *arguments = shlex.split(line, comments=True)
    if program == "make":
        targets = (REPOSITORY / "Makefile").read_text(encoding="utf-8")
        assert all(re.search(rf"^{target}:", targets, re.MULTILINE) for target in arguments)
    elif program.endswith("bench"):
        make_parser().parse_args(arguments)


def code_of(page: str) -> str:
    """The Python block of a page of docs/."""
    text = (REPOSITORY / "docs" / page).read_text("utf-8")
    (code,) = (code for code in blocks("python") if code in text)
    return code


def test_the_script_for_ray_data_answers_as_the_classifier_does(tmp_path: Path, shipped_results: Path) -> None:
    texts = [f"please refund order {i}" if i % 2 else f"where is parcel {i}?" for i in range(1200)]
    pd.DataFrame({"text": texts, "number": range(len(texts))}).to_parquet(tmp_path / "messages.parquet")
    script = tmp_path / "answer_with_ray.py"
    script.write_text(code_of("ray-data.md"), encoding="utf-8")
    done = subprocess.run(
        [
            sys.executable,
            str(script),
            str(shipped_results / "r"),
            "linear",
            str(tmp_path / "messages.parquet"),
            str(tmp_path / "out"),
        ],
        capture_output=True,
        text=True,
        timeout=240,
        cwd=tmp_path,
        # a cluster of its own, not that of a test beside this one
        env={**os.environ, "RAY_USAGE_STATS_ENABLED": "0", "RAY_ADDRESS": "local", "PYTHONPATH": str(REPOSITORY)},
        check=False,
    )
    assert done.returncode == 0, done.stderr[-2000:]
    answered = pd.read_parquet(tmp_path / "out").sort_values("number")
    assert list(answered["text"]) == texts
    with open_saved(RunFolder(shipped_results / "r"), "linear") as linear:
        expected = [prediction.labels[0] for prediction in linear.predict(texts)]
    assert list(answered["predicted"]) == expected
    assert answered["probability"].between(0, 1).all()


def test_the_tutorial_for_own_data_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    pd.DataFrame([{"text": m.text, "label": m.label} for m in MESSAGES]).to_csv("my.csv", index=False)
    pd.DataFrame({"text": [m.text for m in MESSAGES]}).to_csv("inbox.csv", index=False)
    # the same commands with the rows that need no model weights
    cheap = {"run": ["--only", "majority,linear"], "curve": ["--only", "linear", "--sizes", "1,2", "--seeds", "1"]}
    told = [line for block in blocks("", [DOCS / "your-data.md"]) for line in block.split("\n") if line]
    for line in told:
        _, command, *options = shlex.split(line.replace("encoder", "linear").replace("llama_cpp", "majority"))
        given = [] if "--only" in options else cheap.get(command, [])
        assert main([command, *options, *given]) == 0, line
    assert {"run", "report", "disagreements", "recommend", "predict", "compare"} <= {line.split()[1] for line in told}
    answered = pd.read_csv("answered.csv")
    assert list(answered.columns) == ["text", "predicted", "probability", "unsure"]
    assert len(answered) == len(MESSAGES)
    assert {"differ.csv", "results"} <= {path.name for path in tmp_path.iterdir()}


def test_the_check_that_is_shown_for_a_backend_passes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(str(REPOSITORY / "tests" / "plugin_example"))
    (code,) = (code for code in blocks("python", [DOCS / "add-backend.md"]) if "check_classifier" in code)
    names: dict[str, object] = {}
    exec(code, names)
    test = names["test_naive_bayes_keeps_its_promises"]
    assert callable(test)
    test()


def headings(page: str) -> list[str]:
    """What stands in backticks as a heading: words of a message that the page explains."""
    return re.findall(r"^### .*?`(.+?)`", (DOCS / page).read_text("utf-8"), re.MULTILINE)


@pytest.mark.parametrize("words", [*headings("troubleshooting.md"), "the default run needs 4", "models need 3"])
def test_what_troubleshooting_explains_is_still_said(words: str) -> None:
    sources = [*(REPOSITORY / "bench").rglob("*.py"), *(REPOSITORY / "classifiers").rglob("*.py")]
    said = "\n".join(file.read_text("utf-8") for file in sources)
    assert words in said


@pytest.fixture
def filled(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    """The module that fills the generated blocks of README and docs."""
    monkeypatch.syspath_prepend(str(DOCS))
    return importlib.import_module("blocks")


def test_generated_blocks_show_the_reference_runs(filled: ModuleType) -> None:
    for block in (*filled.BLOCKS, *filled.MADE):
        text = (REPOSITORY / block.document).read_text("utf-8")
        assert replace_block(text, filled.block_text(block), block.name) == text, f"{block}: run docs/blocks.py"


def test_every_marked_block_is_filled_or_run(filled: ModuleType) -> None:
    """A table between markers that nothing compares with the records could lie."""
    names = {(block.document, block.name) for block in (*filled.BLOCKS, *filled.MADE)}
    known = names | {("README.md", "backend"), ("docs/encoder.md", "torchrun")}
    marked = {
        (page.relative_to(REPOSITORY).as_posix(), name)
        for page in (*PAGES, REPOSITORY / "results" / "reference" / "published.md")
        for name in re.findall(r"^<!-- /(\w+) -->$", page.read_text("utf-8"), re.MULTILINE)
    }
    assert marked == known


def test_readme_is_short_and_shows_six_columns() -> None:
    text = (REPOSITORY / "README.md").read_text("utf-8")
    assert len(text.splitlines()) <= 250
    (head,) = re.findall(r"^\| classifier .*\|$", text, re.MULTILINE)
    columns = [re.sub(r"[↑↓]", "", cell).strip() for cell in head.strip("|").split("|")]
    assert columns == ["classifier", "accuracy %", "p50 ms", "throughput /s", "serving memory", "labels used"]


def test_all_reference_runs_come_from_one_commit() -> None:
    records = [RunFolder(file.parent).read() for file in (REPOSITORY / "results" / "reference").glob("**/run.json")]
    assert len(records) >= 7
    assert len({record.git_commit for record in records}) == 1, {record.name: record.git_commit for record in records}


def test_every_test_that_fairness_names_exists() -> None:
    named = re.findall(r"`(tests/[\w/]+\.py)::(\w+)`", (DOCS / "fairness.md").read_text("utf-8"))
    missing = [name for path, name in named if f"def {name}(" not in (REPOSITORY / path).read_text("utf-8")]
    assert len(named) >= 15
    assert not missing


def test_glossary_has_a_line_per_word() -> None:
    lines = re.findall(r"^\| (\w+) \| .+ \|$", (DOCS / "glossary.md").read_text("utf-8"), re.MULTILINE)[1:]
    assert len(lines) == len(set(lines)) == 11


@pytest.fixture
def made(monkeypatch: pytest.MonkeyPatch) -> Callable[[str], str]:
    """The lists that the site makes from the code."""
    monkeypatch.syspath_prepend(str(DOCS))
    module = importlib.import_module("generated")
    return module.made


def test_lists_hold_every_key_record_and_command(made: Callable[[str], str]) -> None:
    assert all(f"| `{key}` |" in made("config") for key in RunConfig.model_fields)
    assert all(f"| `{field.name}` |" in made("records") for field in fields(CellRecord))
    for name in backend_names():
        assert f"## `{name}`" in made("backends")
        assert all(f"| `{key}` |" in made("backends") for key in find_backend(name).settings_type.model_fields)
    usage = make_parser().format_help()
    assert "    speed " not in usage, "for maintainers: make bench-speed"
    assert all(
        f"    {name} " in usage
        for name in re.findall(r"^## bench ([\w-]+)$", made("commands"), re.MULTILINE)
        if name != "speed"
    )


def test_lists_say_what_a_key_may_be_and_its_default(made: Callable[[str], str]) -> None:
    config, records, commands = made("config"), made("records"), made("commands")
    assert "| `test` | number, above 0, below 1 | `0.2` |" in config
    assert "| `threads` | processor threads; 0 takes all physical cores; whole number, at least 0 | `0` |" in config
    assert "| `split` | [`[split]`](#SplitConfig) | its own |" in config
    assert "## `[split]` {#SplitConfig}" in config
    assert '| `contradictions` | `"refuse"`, `"report"` | `"refuse"` |' in config
    assert "| `classifiers` | table: name = [`[classifiers.NAME]`](#RowConfig) | required |" in config
    assert "| `needed_n` | whole number or null | required |" in records
    assert "stand in a `<think>` block" in records
    assert "| `--right {first,second,both,neither}` | Show only messages where this one is right. |" in commands
    assert "| `--fail-on-regression` | Exit with code 3 if one got worse, for CI. |" in commands
    assert "| `[RUN]` |" in commands


def test_the_site_builds_without_a_warning(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "mkdocs", "build", "--strict", "--site-dir", str(tmp_path / "site")]
    done = subprocess.run(command, cwd=REPOSITORY, capture_output=True, text=True, timeout=240, check=False)
    assert done.returncode == 0, done.stderr
    start = (tmp_path / "site" / "index.html").read_text("utf-8")
    assert (tmp_path / "site" / re.findall(r'src="([^"]*tradeoff\.png)"', start)[0]).is_file()
    for page in (tmp_path / "site").rglob("*.html"):
        assert "<!-- made:" not in page.read_text("utf-8"), page
