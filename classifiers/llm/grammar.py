"""GBNF grammars that allow exactly the label names and nothing else."""

from __future__ import annotations

from collections.abc import Sequence


def label_grammar(names: Sequence[str]) -> str:
    """Give a grammar whose only sentences are the label names."""
    return "root ::= " + " | ".join(_literal(name) for name in names)


def _literal(name: str) -> str:
    escaped = name.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
    return f'"{escaped}"'
