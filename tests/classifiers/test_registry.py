from __future__ import annotations

from pathlib import Path

import pytest

from classifiers.errors import BenchError
from classifiers.linear import Linear
from classifiers.registry import backend_names, check_settings, find_backend


def test_built_ins_are_entry_points() -> None:
    assert {"majority", "linear", "encoder", "llama_cpp"} <= set(backend_names())
    assert find_backend("linear") is Linear


def test_misspelt_backend_gets_the_nearest_name() -> None:
    with pytest.raises(BenchError, match="unknown backend 'lineer'; did you mean 'linear'"):
        find_backend("lineer")


def test_backend_from_a_file(tmp_path: Path) -> None:
    file = tmp_path / "mine.py"
    file.write_text("from classifiers.majority import Majority\nclass Mine(Majority):\n    pass\n")
    assert find_backend(f"{file}:Mine").__name__ == "Mine"


@pytest.mark.parametrize(
    ("code", "name", "words"),
    [
        (None, "Mine", "does not exist"),
        ("import nothing_of_that_name", "Mine", "cannot be imported"),
        ("def (", "Mine", "cannot be imported"),
        ("class Mime: pass", "Mine", "did you mean 'Mime'"),
        ("class Mine: pass", "Mine", "not a class derived from"),
    ],
)
def test_unusable_backend_file_is_one_clear_line(tmp_path: Path, code: str | None, name: str, words: str) -> None:
    file = tmp_path / "mine.py"
    if code is not None:
        file.write_text(code)
    with pytest.raises(BenchError, match=words) as caught:
        find_backend(f"{file}:{name}")
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("values", "words"),
    [
        ({"strength": [1]}, "unknown key 'strength'; did you mean 'strengths'"),
        ({"max_iterations": 0}, "max_iterations: Input should be greater than 0"),
    ],
)
def test_settings_are_closed_and_typed(values: dict[str, object], words: str) -> None:
    with pytest.raises(BenchError, match=words):
        check_settings(Linear, values, where="classifiers.linear")
