"""GBNF grammars that allow exactly the label names, or lists of them, and nothing else."""

from __future__ import annotations

import json
from collections.abc import Sequence


def label_grammar(names: Sequence[str]) -> str:
    """Return a grammar whose only sentences are the label names."""
    return "root ::= " + " | ".join(_literal(name) for name in names)


def label_list_grammar(names: Sequence[str], most: int) -> str:
    """Return a grammar whose sentences are JSON lists of none to `most` label names; a name may come twice."""
    name = " | ".join(_literal(json.dumps(name, ensure_ascii=False)) for name in names)
    more = f' (", " name){{0,{most - 1}}}' if most > 1 else ""
    return f'root ::= "[" (name{more})? "]"\nname ::= {name}'


def _literal(name: str) -> str:
    escaped = name.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
    return f'"{escaped}"'
