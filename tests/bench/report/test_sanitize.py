"""What other people wrote is shown, and commands nothing."""

from __future__ import annotations

import pytest
from rich.console import Console

from bench.cli import main
from bench.report.sanitize import plain
from bench.report.tables.table import Table
from bench.report.terminal import print_table


@pytest.mark.parametrize("sign", ["\x1b[2J", "\x9b2J", "\u202e", "\x07", "\r"])
def test_nothing_in_a_text_commands_the_terminal(sign: str, capsys: pytest.CaptureFixture[str]) -> None:
    console = Console(force_terminal=True, color_system=None)
    print_table(console, Table("t", ("a", "b"), ((f"x{sign}y", "z"),), notes=(f"note {sign}",)))
    console.print(plain(f"message {sign}"))
    assert main(["report", f"no{sign}run"]) == 2
    shown = capsys.readouterr()
    assert sign[0] not in (shown.out + shown.err).replace("\n", "")
