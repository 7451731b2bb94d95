"""The speed benchmark's arithmetic by hand, and once for real; no time is ever compared with a bound."""

from __future__ import annotations

import json
from pathlib import Path

import psutil
import pytest

from bench.cli import main
from bench.report.tables.ratios import ratio_tables
from bench.speed.neighbours import busy_neighbours
from bench.speed.results import BUSY, Slowdown, read_speed, slowdowns, summarise_encoder, summarise_llm


def measurement(variant: str, seconds: float, answers: str, memory: int = 100) -> dict[str, object]:
    return {
        "variant": variant,
        "seconds": seconds,
        "answers": list(answers),
        "peak_memory_bytes": memory,
        "tokens_per_message": 30.0 if variant == "score" else 0.0,
        "n_parameters": 1000 if variant == "score" else 0,
        "full_batch_ms_per_token": 2.0 if variant == "score" else None,
    }


def test_medians_and_ratios_are_to_the_plain_loop() -> None:
    found = [measurement("chat", seconds, "abab") for seconds in (4.0, 8.0, 400.0)]
    found += [measurement("score", seconds, "abaa", 120) for seconds in (1.0, 2.0, 3.0)]
    chat, score = summarise_llm(found, flops=1e6)
    assert (chat.ms_per_message, chat.speed_up, chat.equal_answers, chat.limit_ms) == (2000, 1, 1, None)
    assert (score.ms_per_message, score.speed_up, score.equal_answers) == (500, 4, 0.75)
    assert score.memory_ratio == pytest.approx(1.2)
    assert score.limit_ms == pytest.approx(1000 * 2 * 1000 * 30 / 1e6)
    assert score.engine_limit_ms == pytest.approx(60)


def test_an_encoders_ratios_are_to_the_posts_loop() -> None:
    def one(variant: str, speed: float, accuracy: float) -> dict[str, object]:
        figures = {"train_per_s": speed, "predict_per_s": 10 * speed, "single_ms": 100 / speed, "operations": 1e6}
        return {**figures, "variant": variant, "accuracy": accuracy, "peak_memory_bytes": 5, "runtime": "torch"}

    found = [one("blog", speed, 0.8) for speed in (1.0, 2.0, 90.0)]
    found += [one("ours", speed, accuracy) for speed, accuracy in ((8.0, 0.9), (10.0, 0.8), (12.0, 0.7))]
    blog, ours = summarise_encoder(found, flops=3e9)
    assert (blog.train_per_s, blog.train_speed_up, blog.predict_speed_up, blog.single_speed_up) == (2, 1, 1, 1)
    assert (ours.train_speed_up, ours.predict_speed_up, ours.single_speed_up) == (5, 5, 5)
    assert ours.accuracy == pytest.approx(0.8)
    assert (ours.limit_predict_per_s, ours.limit_train_per_s) == (3000, 1000)


def test_slow_downs_are_ratios_of_medians_to_the_same_variant_alone() -> None:
    alone = [{**measurement("generate", seconds, "ab"), "single_ms": 10.0} for seconds in (1.0, 2.0, 90.0)]
    busy = [{**measurement("generate" + BUSY, seconds, "ab"), "single_ms": 25.0} for seconds in (3.0, 6.0, 9.0)]
    assert list(slowdowns(summarise_llm(alone + busy, flops=1e6))) == [Slowdown("generate", None, 3.0, 2.5)]
    assert list(slowdowns(summarise_llm(alone, flops=1e6))) == []


def test_neighbours_are_gone_when_the_measurement_is_over() -> None:
    before = set(psutil.Process().children())
    with busy_neighbours(2):
        assert len(set(psutil.Process().children()) - before) == 2
    assert set(psutil.Process().children()) == before


def test_the_three_ways_to_train_an_encoder_run(
    minilm: Path, data_folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    command = ["speed", str(minilm), "--data", str(data_folder), "--messages", "8", "--rounds", "1"]
    assert main(["--results", str(tmp_path), *command]) == 0
    (result,) = read_speed(tmp_path / "speed")
    assert [row.variant for row in result.rows] == ["blog", "trainer", "ours"]
    assert [slow.variant for slow in result.slowdowns] == ["ours"]
    (table,) = ratio_tables([result])
    assert [cells[1] for cells in table.body] == ["training", "batches", "one message"]
    assert not any("–" in cells for cells in table.body)
    assert "arithmetic limit" in capsys.readouterr().out


def test_every_variant_runs_on_the_same_messages(
    smollm: Path, data_folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    command = ["speed", str(smollm), "--data", str(data_folder), "--messages", "4", "--rounds", "1", "--no-busy"]
    assert main(["--results", str(tmp_path), *command]) == 0
    assert "arithmetic limit" in capsys.readouterr().out
    (file,) = (tmp_path / "speed").glob("*.json")
    body = json.loads(file.read_text())
    assert [row["variant"] for row in body["rows"]] == ["chat", "generate", "score", "server"]
    assert body["rows"][0]["speed_up"] == 1
    assert (body["messages"], body["rounds"]) == (4, 1)
    document = tmp_path / "doc.md"
    document.write_text("before <!-- speed -->\n<!-- /speed --> after")
    assert main(["--results", str(tmp_path), "speed", "--into", str(document)]) == 0
    assert "| score |" in document.read_text()
    assert main(["--results", str(tmp_path / "none"), "speed", "--into", str(document)]) == 2
    assert all(row["ms_per_message"] > 0 and row["peak_memory_bytes"] > 0 for row in body["rows"])
