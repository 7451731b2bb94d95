"""The speed benchmark as a table."""

from __future__ import annotations

from collections.abc import Sequence

from bench.report.sections import Table
from bench.speed import SpeedRow


def speed_table(model: str, rows: Sequence[SpeedRow], flops: float) -> Table:
    """Give the comparison as a table."""
    head = (
        "variant",
        "ms/message",
        "speed-up",
        "equal answers",
        "memory",
        "memory ratio",
        "llama.cpp limit ms",
        "arithmetic limit ms",
    )
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
        for row in rows
    )
    notes = (
        f"arithmetic limit: 2 × parameters × tokens decoded a message, at the {flops / 1e9:.0f} GFLOP/s of a float "
        "matrix product here (quantised weights may beat it).",
        "llama.cpp limit: the same tokens at the rate of its own whole batches of this model.",
        "equal answers: the same label, or both none, as the plain chat loop's.",
    )
    return Table(f"{model}: time a message, medians", head, body, notes=notes)
