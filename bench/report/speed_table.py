"""The speed benchmark as a table, and as a block of a document."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from bench.report.markdown import table_lines
from bench.report.table import Table
from bench.speed import SpeedResult

HEAD = (
    "variant",
    "ms/message",
    "speed-up",
    "equal",
    "memory",
    "memory ratio",
    "engine limit ms",
    "arithmetic limit ms",
)


def speed_table(result: SpeedResult) -> Table:
    """Give the comparison as a table."""
    body = tuple(
        (
            row.variant,
            f"{row.ms_per_message:.1f}",
            f"{row.speed_up:.2f} ×",
            f"{100 * row.equal_answers:.1f} %",
            f"{row.peak_memory_bytes / 1e6:.0f} MB",
            f"{row.memory_ratio:.2f} ×",
            f"{row.engine_limit_ms:.1f}" if row.engine_limit_ms else "–",
            f"{row.limit_ms:.1f}" if row.limit_ms else "–",
        )
        for row in result.rows
    )
    notes = (
        f"ms a message, {result.messages} messages, medians of {result.rounds} rounds; equal: the label of the plain "
        "chat loop, or none where that gave none.",
        "engine limit: the same tokens at llama.cpp's own rate for whole batches of this model; arithmetic limit: "
        f"2 × parameters × tokens at the {result.flops / 1e9:.0f} GFLOP/s of a float matrix product here.",
    )
    return Table(f"{result.model}: time a message", HEAD, body, notes=notes)


def speed_block(results: Sequence[SpeedResult]) -> str:
    """Give all comparisons as Markdown, with the machine they were made on."""
    return "\n".join(_lines(results)).strip()


def _lines(results: Sequence[SpeedResult]) -> Iterator[str]:
    machine = results[0].machine
    yield f"{machine['processor']}, {machine['threads']} threads, {machine['features'] or 'no special instructions'}:"
    for result in results:
        table = speed_table(result)
        yield from ("", f"**{table.title}**", "", *table_lines(table), "", *table.notes)
