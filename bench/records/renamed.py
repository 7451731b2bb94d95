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
SUITES = {"spoiled": "perturbed"}
"""Names of the suites of `bench stress`."""
LIFTED = ("model", "device", "precision", "prompt")


def with_current_names(value: Any) -> Any:
    """Return parsed JSON with every renamed key under its present name, at any depth."""
    if isinstance(value, list):
        return [with_current_names(item) for item in value]
    if not isinstance(value, dict):
        return value
    renamed = {KEYS.get(key, key): with_current_names(item) for key, item in value.items()}
    if isinstance(examples := renamed.get("examples"), str):
        renamed["examples"] = EXAMPLES.get(examples, examples)
    if "classifier" in renamed and isinstance(metadata := renamed.get("metadata"), dict):
        # these stood among the metadata before they were fields
        trials = renamed.get("trials")
        for trial in trials if isinstance(trials, list) else ():
            if not isinstance(trial, dict) or not isinstance(trial.get("settings"), dict):
                continue
            is_chosen = all(metadata.get(name) == value for name, value in trial["settings"].items())
            trial.setdefault("chosen", is_chosen)
        renamed |= {key: str(metadata.pop(key)) for key in LIFTED if key in metadata and key not in renamed}
        settings = renamed.get("settings")
        if isinstance(settings, dict) and "head" in settings:
            renamed.setdefault("fine_tuned", settings["head"] != "linear")
    return renamed
