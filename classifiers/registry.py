"""Find a backend by its registered name or by `path/to/file.py:ClassName`.

Names are entry points of the group `bench.classifiers`, built-ins included, so an outside
package adds a backend with one line of its own pyproject.toml. Listing imports no backend.
"""

from __future__ import annotations

import importlib.util
import sys
from importlib.metadata import entry_points
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from classifiers.errors import BenchError, explain, nearest
from classifiers.interface import Classifier, Settings

GROUP = "bench.classifiers"


def backend_names() -> list[str]:
    """List the registered backends by name, sorted."""
    return sorted({point.name for point in entry_points(group=GROUP)})


def find_backend(name: str) -> type[Classifier[Any]]:
    """Import the class behind a registered name or a `file.py:ClassName`.

    Raises:
        BenchError: if there is none, it does not import, or it is no `Classifier`.
    """
    backend = _from_file(name) if ".py:" in name else _from_entry_point(name)
    if not (isinstance(backend, type) and issubclass(backend, Classifier)):
        raise BenchError(f"backend '{name}' is not a class derived from classifiers.interface.Classifier")
    return backend


def _from_entry_point(name: str) -> object:
    for point in entry_points(group=GROUP, name=name):
        try:
            return point.load()
        except ImportError as error:
            raise BenchError(f"backend '{name}' cannot be imported ({error}); install it with: make setup") from error
    raise BenchError(nearest(name, backend_names(), what="backend"))


def _from_file(name: str) -> object:
    file, _, attribute = name.rpartition(":")
    path = Path(file)
    if not path.is_file():
        raise BenchError(f"backend file '{file}' does not exist; give path/to/file.py:ClassName")
    module_name = f"bench_backend_{path.stem}"
    spec = importlib.util.spec_from_file_location(module_name, path)
    if spec is None or spec.loader is None:
        raise BenchError(f"backend file '{file}' is no Python file")
    module = importlib.util.module_from_spec(spec)
    sys.modules[module_name] = module  # dataclasses look their module up there
    try:
        spec.loader.exec_module(module)
    except (ImportError, SyntaxError) as error:
        raise BenchError(f"backend file '{file}' cannot be imported: {error}") from error
    if not hasattr(module, attribute):
        raise BenchError(nearest(attribute, [n for n in vars(module) if n[:1].isupper()], what=f"class in {file}"))
    return getattr(module, attribute)


def check_settings(backend: type[Classifier[Any]], values: dict[str, Any], *, where: str) -> Settings:
    """Validate a backend's settings.

    Raises:
        BenchError: naming the key, what is wrong and, for a misspelt key, the nearest one.
    """
    try:
        return backend.settings_type.model_validate(values)
    except ValidationError as error:
        raise BenchError(explain(error, backend.settings_type, where=where)) from error


def make_classifier(
    name: str, values: dict[str, Any], *, where: str, seed: int = 0, threads: int = 1
) -> Classifier[Any]:
    """Make a classifier of a backend's name and settings; raises BenchError as `find_backend` and `check_settings`."""
    backend = find_backend(name)
    return backend(check_settings(backend, values, where=where), seed=seed, threads=threads)
