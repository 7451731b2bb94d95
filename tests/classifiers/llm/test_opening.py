"""A GGUF is opened in one place: without llama-cpp-python both backends say in one line what to do."""

from __future__ import annotations

import subprocess
import sys

from conftest import REPOSITORY

WITHOUT = """
import sys
sys.modules["llama_cpp"] = None
from classifiers.errors import BenchError
from classifiers.llm.llama_cpp import LlamaCpp
from classifiers.llm_probe import LlmProbe
for backend in (LlamaCpp, LlmProbe):
    try:
        backend().load()
    except BenchError as error:
        print(error)
"""


def test_a_missing_llama_cpp_python_is_one_line_that_says_what_to_do() -> None:
    done = subprocess.run([sys.executable, "-c", WITHOUT], capture_output=True, text=True, cwd=REPOSITORY, check=True)
    assert done.stdout.splitlines() == [
        f"backend '{name}' needs llama-cpp-python; install it with: make setup" for name in ("llama_cpp", "llm_probe")
    ]
