"""Names that records had in earlier versions: they are read under today's names.

The format only gains fields; where a name was changed, records written before it stay readable.
"""

from __future__ import annotations

from typing import Any

KEYS = {
    "most_labels": "max_labels",
    "most_messages": "max_messages",
    "learn_other": "train_on_oos",
    "other_label": "oos_label",
    "facts": "metadata",
    "wording": "prompt_template",
}
EXAMPLES = {"per_label": "fixed", "similar": "knn"}
"""Values of the setting `examples`."""


def with_current_names(value: Any) -> Any:
    """Return parsed JSON with every renamed key under its present name, at any depth."""
    if isinstance(value, list):
        return [with_current_names(item) for item in value]
    if not isinstance(value, dict):
        return value
    renamed = {KEYS.get(key, key): with_current_names(item) for key, item in value.items()}
    if isinstance(examples := renamed.get("examples"), str):
        renamed["examples"] = EXAMPLES.get(examples, examples)
    return renamed
