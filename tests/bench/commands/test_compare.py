"""CI on two small runs on disk: limits, flips and exit codes as a hand calculation says."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import pytest
from samples import write_run

from bench.cli import main

GOLD = "ab" * 50
OLD, NEW = "bb" + GOLD[2:-2] + "aa", GOLD[:-4] + "baba"
"""Wrong are messages 0 and 99 in the old run, 96 to 99 in the new one."""


@pytest.fixture(autouse=True)
def runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    for name, answers in (("old", OLD), ("new", NEW)):
        write_run(tmp_path / "results" / name, GOLD, {"linear": answers, "other": GOLD})


@pytest.mark.parametrize(
    ("options", "code"),
    [
        # Wilson, 95 %: 96 of 100 is at least 90.16 %, 100 of 100 at least 96.3 %
        (["new", "--min-accuracy", "0.9", "--of", "linear"], 0),
        (["new", "--min-accuracy", "0.91", "--of", "linear"], 3),
        (["new", "--min-accuracy", "0.91", "--of", "other"], 0),
        (["old", "new", "--min-accuracy", "0.9", "--of", "linear,other"], 0),
        (["old", "new", "--min-macro-f1", "0.99", "--of", "linear"], 3),
        (["old", "new", "--fail-on-regression"], 0),  # 3 lost and 1 won may be chance
    ],
)
def test_exit_code_says_whether_limits_are_kept(options: list[str], code: int) -> None:
    assert main(["compare", *options]) == code


def test_messages_that_flipped_are_listed_the_losses_first(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["compare", "old", "new", "--csv", "flipped.csv", "--limit", "2"]) == 0
    said = " ".join(capsys.readouterr().out.split())
    assert "3 were right and are wrong now, 1 the other way round; 2 shown." in said
    assert "text 97" in said
    assert "text 98" not in said
    with Path("flipped.csv").open(encoding="utf-8") as stream:
        lines = list(csv.DictReader(stream))
    assert [(line["message"], line["before"], line["after"], line["now"]) for line in lines] == [
        ("96", "a", "b", "wrong"),
        ("97", "b", "a", "wrong"),
        ("98", "a", "b", "wrong"),
        ("0", "b", "a", "right"),
    ]


def test_programs_get_the_same_as_json(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["compare", "old", "new", "--of", "linear", "--min-accuracy", "0.95", "--json"]) == 3
    said = json.loads(capsys.readouterr().out)
    (change,), (limit,) = said["changes"], said["minimums"]
    assert (change["classifier"], change["old_accuracy"], change["new_accuracy"]) == ("linear", 0.98, 0.96)
    assert (limit["outcome"], limit["value"], limit["n"]) == ("not shown", 0.96, 100)
    assert [flip["id"] for flip in said["flips"]] == ["96", "97", "98", "0"]


@pytest.mark.parametrize(
    ("options", "problem"),
    [
        (["new"], "name two runs to compare, or limits of one"),
        (["new", "--min-accuracy", "0.9"], "a limit needs the classifiers that it is for: --of"),
        (["old", "new", "--of", "lineer"], "unknown classifier 'lineer'; did you mean 'linear'"),
        (["new", "--min-accuracy", "90", "--of", "linear"], "the least accuracy 90 is no share"),
        (["new", "--min-accuracy", "nan", "--of", "linear"], "the least accuracy nan is no share"),
        (["new", "--min-accuracy", "0.1", "--of", "linear", "--fail-on-regression"], "name the earlier run"),
        (["new", "--min-accuracy", "0.1", "--of", "linear", "--csv", "f.csv"], "name the earlier run"),
        (["old", "new", "--csv", "nowhere/f.csv"], "cannot write nowhere/f.csv: No such file or directory"),
    ],
)
def test_what_cannot_be_compared_is_one_line(
    options: list[str], problem: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["compare", *options]) == 2
    assert problem in capsys.readouterr().err


@pytest.mark.parametrize(
    "command", [["compare", "old", "new"], ["disagreements", "old"], ["label-errors", "old/linear"]]
)
@pytest.mark.parametrize("limit", ["-3", "1.5", "all", "²"])
def test_a_number_of_lines_is_0_or_more(command: list[str], limit: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        main([*command, f"--limit={limit}"])
    assert ended.value.code == 2
    assert f"give a number of 0 or more, not '{limit}'" in capsys.readouterr().err


@pytest.mark.parametrize("option", ["--max-latency-ms", "--max-memory-gb", "--machine-price", "--person-price"])
@pytest.mark.parametrize("value", ["nan", "inf", "-1"])
def test_a_limit_or_price_that_says_nothing_is_refused(
    option: str, value: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["recommend", "old", f"{option}={value}"]) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith("error: ")
