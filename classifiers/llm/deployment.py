"""Export a prompted GGUF model: one file with all that is asked, and the llama-server that answers it alike.

The weights stay where they are: they are the publisher's file, named by its hash.
"""

from __future__ import annotations

import json
import shlex
from dataclasses import asdict
from pathlib import Path
from typing import Any

from classifiers.exporting import Deployment, Usage, usage
from classifiers.interface import ModelFile
from classifiers.llm.engine.decoder import fuses_attention
from classifiers.llm.prompting.recipe import Recipe
from classifiers.llm.prompting.strategy import Strategy

ASKED, REQUEST = "llama-server.json", "request.json"
PORT = 8080
CURL = """\
sed "s/{message}/where is my parcel?/" request.json \\
  | curl --silent http://127.0.0.1:8080/completion --header "Content-Type: application/json" --data @-
"""
FIRST_ATTEMPT = (
    "a request is the first attempt of the run: answers that are no label were asked for again there, at random; "
    "mode = 'grammar' needs no second attempt"
)
BATCHED = (
    "the weights are rounded, and so are activations on a processor: a message on the edge between two labels can be "
    "answered otherwise than in the run"
)
CONTROL_TOKENS = (
    "request.json lets a message speak the model's control tokens, such as <|im_end|>, and end its turn; the lines in "
    "Python send it as plain text, as the run did"
)


def deploy(strategy: Strategy, model: ModelFile, name: str, folder: Path) -> Deployment:
    """Write what is asked, and return how a llama-server is asked it.

    Args:
        strategy: the way of asking.
        model: the GGUF.
        name: its name in the config.
        folder: where the files go.

    Raises:
        BenchError: if no fixed requests ask in this way.
    """
    recipe, context = strategy.recipe(), strategy.asking.settings.context
    command = ["llama-server", "--model", model.name, "--ctx-size", str(context), "--parallel", "1"]
    # as in the run: with the other kernel more messages on the edge between two labels go the other way
    command += ["--flash-attn", "auto" if fuses_attention() else "off"]
    command += ["--host", "127.0.0.1", "--port", str(PORT)]
    _write(folder / ASKED, {"model": asdict(model), "server": command, **_asked(strategy, recipe)})
    usages = [Usage("llama-server", "bash", f"{shlex.join(command)}\n")]
    if recipe.read == "text":
        body = json.dumps(recipe.groups[0][0].body, ensure_ascii=False)
        (folder / REQUEST).write_text(body + "\n", encoding="utf-8")
        usages.append(Usage("curl", "bash", CURL))
    usages.append(usage("llama-server", strategy.asking.task))
    is_free = strategy.choice.mode == "generate"
    return Deployment(
        library="gguf",
        usages=tuple(usages),
        base_model=name,
        n_messages=len(strategy.writers[0].source.fixed),
        notes=(*([FIRST_ATTEMPT] if is_free else []), *([CONTROL_TOKENS] if recipe.read == "text" else []), BATCHED),
    )


def _asked(strategy: Strategy, recipe: Recipe) -> dict[str, Any]:
    """Return prompt, examples, settings and requests."""
    asking = strategy.asking
    return {
        "endpoint": "/completion",
        "several": asking.task.takes_several,
        "prompt": strategy.shown_prompt,
        "examples": [{"text": m.text, "labels": list(m.labels)} for m in strategy.writers[0].source.fixed],
        "choice": asking.choice.describe(),
        "settings": asking.settings.model_dump(mode="json"),
        "grammar": asking.form.grammar if asking.choice.mode == "grammar" else "",
        "answers": dict(zip(asking.form.names, asking.task.label_names, strict=True)),
        "read": recipe.read,
        "groups": [[asdict(request) for request in group] for group in recipe.groups],
    }


def _write(path: Path, values: dict[str, Any]) -> None:
    """Write JSON with a line per key: indented, every token of a prompt would take one."""
    lines = [f" {json.dumps(key)}: {json.dumps(value, ensure_ascii=False)}" for key, value in values.items()]
    path.write_text("{\n" + ",\n".join(lines) + "\n}\n", encoding="utf-8")
