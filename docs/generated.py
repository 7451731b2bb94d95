"""The lists of the documentation that are made from the code: config keys, records and commands.

A page holds `<!-- made: NAME -->` where a list belongs, and `made` gives its Markdown. Written by hand they would go
out of date; the types and docstrings they are made from cannot.
"""

from __future__ import annotations

import argparse
import inspect
import json
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from pydantic import TypeAdapter

from bench.cli import make_parser
from bench.config.run import RunConfig
from bench.records import types as records
from bench.report.scores_file import ScoresFile
from classifiers.registry import backend_names, find_backend

Schema = Mapping[str, Any]
"""A JSON schema, as pydantic makes it of a type."""

TABLES = {
    "DataConfig": "[data]",
    "SplitConfig": "[split]",
    "CostConfig": "[cost]",
    "VerdictConfig": "[verdict]",
    "RowConfig": "[classifiers.NAME]",
    "CascadeConfig": "[cascades.NAME]",
    "SweepConfig": "[sweep]",
}
"""The tables of a config by the type of each, under the headings that a person knows them by."""

BOUNDS = {
    "minimum": "at least",
    "exclusiveMinimum": "above",
    "maximum": "at most",
    "exclusiveMaximum": "below",
}
PLAIN = {"string": "text", "integer": "whole number", "number": "number", "boolean": "true or false"}


def made(name: str) -> str:
    """Return the Markdown of a list by its name; raises KeyError for a name that is none."""
    return "\n".join(LISTS[name]())


def config_tables() -> Iterator[str]:
    """Return the keys of a config: the top of the file, then every table."""
    yield from _section("The top of the file", RunConfig)
    for name, schema in _schema(RunConfig)["$defs"].items():
        yield from [f"## `{TABLES.get(name, name)}` {{#{name}}}", "", *_table(schema)]


def backend_tables() -> Iterator[str]:
    """Return the settings of every registered backend."""
    for name in backend_names():
        backend = find_backend(name)
        kind = backend.settings_type
        yield from _section(f"`{name}`", kind, anchor=kind.__name__, about=inspect.getdoc(backend) or "")


def record_tables() -> Iterator[str]:
    """Return the fields of every record file, and of what the records hold."""
    files = {
        "`run.json`": records.RunRecord,
        "`messages.jsonl`": records.MessageRecord,
        "`cell-identity.json`": records.CellIdentity,
        "`cell.json`": records.CellRecord,
        "`fit.jsonl`": records.EpochRecord,
        "`predictions.jsonl` and `validation.jsonl`": records.PredictionRecord,
        "`scores.json`": ScoresFile,
    }
    inner: dict[str, Schema] = {}
    for heading, kind in files.items():
        yield from _section(heading, kind)
        inner |= _schema(kind).get("$defs", {})
    yield "## What records hold"
    yield ""
    for name in sorted(inner):
        yield from [f"### {name} {{#{name}}}", "", *_table(inner[name])]


def command_tables() -> Iterator[str]:
    """Return every command with its arguments and options."""
    parser = make_parser()
    (commands,) = (action for action in parser._actions if isinstance(action, argparse._SubParsersAction))
    for name, command in commands.choices.items():
        yield from [f"## bench {name}", "", _text(command.description or ""), "", "| argument | meaning |", "|---|---|"]
        for action in command._actions:
            if action.dest != "help" and action.help != argparse.SUPPRESS:
                yield f"| `{_written(action)}` | {_cell(action.help or '')} |"
        yield ""


def _written(action: argparse.Action) -> str:
    """Return an option or argument as it is typed; what may be left out stands in brackets."""
    value = "{" + ",".join(map(str, action.choices)) + "}" if action.choices else action.metavar or action.dest.upper()
    takes_value = action.nargs != 0
    if action.option_strings:
        return ", ".join(action.option_strings) + (f" {value}" if takes_value else "")
    return f"[{value}]" if action.nargs in ("?", "*") else str(value)


def _section(heading: str, kind: type[Any], *, anchor: str = "", about: str = "") -> Iterator[str]:
    schema = _schema(kind)
    yield from [f"## {heading}" + (f" {{#{anchor}}}" if anchor else ""), ""]
    yield from ([_text(about), ""] if about else [])
    yield from _table(schema) if schema["properties"] else ["It has no settings.", ""]


def _schema(kind: type[Any]) -> Schema:
    return TypeAdapter(kind).json_schema()


def _table(schema: Schema) -> Iterator[str]:
    """Return what a type's docstring says, and a line a key: name, what it may be, what it is where it is left out."""
    required = schema.get("required", ())
    yield from [_text(schema.get("description", "")), "", "| key | value | default |", "|---|---|---|"]
    for name, value in schema["properties"].items():
        null = " or null" if name in required and {"type": "null"} in value.get("anyOf", ()) else ""
        words = "; ".join(filter(None, (value.get("description", ""), values(value) + null)))
        yield f"| `{name}` | {_cell(words)} | {'required' if name in required else _default(value)} |"
    yield ""


def values(schema: Schema) -> str:
    """Say in words what a JSON schema allows."""
    if "$ref" in schema:
        name = schema["$ref"].rpartition("/")[2]
        return f"[`{TABLES.get(name, name)}`](#{name})"
    if "enum" in schema or "const" in schema:
        return ", ".join(f"`{json.dumps(one)}`" for one in schema.get("enum", [schema.get("const")]))
    if "anyOf" in schema:
        return " or ".join(values(one) for one in schema["anyOf"] if one.get("type") != "null")
    kind = schema.get("type", "any value")
    if kind == "array":
        return f"list: {values(schema.get('items', {}))}"
    if kind == "object":
        inner = schema.get("additionalProperties")
        return f"table: name = {values(inner)}" if isinstance(inner, dict) and inner else "table"
    bounds = [f"{words} {schema[key]:.12g}" for key, words in BOUNDS.items() if key in schema]
    return ", ".join([PLAIN.get(kind, kind), *bounds])


def _default(schema: Schema) -> str:
    if "default" not in schema:
        return "its own" if "$ref" in schema else "empty"
    return "none" if schema["default"] is None else f"`{json.dumps(schema['default'], ensure_ascii=False)}`"


def _cell(text: str) -> str:
    """Keep a text inside its cell of a table."""
    return " ".join(_text(text).split()).replace("|", "\\|")


def _text(text: str) -> str:
    """Keep signs of a docstring, such as `<think>`, from being read as HTML; what stands in backticks is safe."""
    pieces = text.split("`")
    pieces[::2] = [piece.replace("<", "&lt;") for piece in pieces[::2]]
    return "`".join(pieces)


LISTS: dict[str, Callable[[], Iterator[str]]] = {
    "config": config_tables,
    "backends": backend_tables,
    "records": record_tables,
    "commands": command_tables,
}
