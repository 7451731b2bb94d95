"""See whether this machine can run the benchmark, and say what to do where it cannot.

llama.cpp is tried in a child process: its default gcc build crashes on processors with AMX, and a
crash there must not take the doctor with it.
"""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from bench.measure import machine as meter
from classifiers.errors import BenchError
from classifiers.models.cache import cache_folder, cached, local_model
from classifiers.models.download import hub_answers
from classifiers.plurals import number_of

SMOKE_MODEL = "smollm2-135m-instruct"
SMOKE_SECONDS = 120
NEEDED_MEMORY = 4_000_000_000
NEEDED_DISK = 3_000_000_000
REBUILD = (
    "rebuild it with: make clean-llm setup; on x86-64 processors with AMX gcc drops the stores of the tile "
    "configuration, which CFLAGS=-fno-dse CXXFLAGS=-fno-dse prevents"
)
SMOKE_CODE = """
import sys
from pathlib import Path
from classifiers.llm.engine.engine import Engine
from classifiers.llm.engine.sampler import Request
engine = Engine(Path(sys.argv[1]), context=512, parallel=2, batch=64, threads=2)
tokens = engine.model.tokenize("The capital of France is", special=True)
written = engine.generate([Request(tokens, 1), Request(tokens, 1)])
print(engine.model.detokenize(written[0]).strip())
engine.close()
"""


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing looked at: `good` None means it is worth knowing but no fault."""

    what: str
    good: bool | None
    text: str


def examine() -> Iterator[Finding]:
    """Look at packages, memory, disk, the Hub, the model cache and llama.cpp, quick things first."""
    yield from _packages()
    yield from _resources()
    hub = hub_answers()
    text = "reachable" if hub else "not reachable: models come from the cache or the package index"
    yield Finding("Hub", True if hub else None, text)
    yield Finding("model cache", True, str(cache_folder()))
    yield smoke_test()


def smoke_test(model: str = SMOKE_MODEL) -> Finding:
    """Generate one token in a child process and say what its end means."""
    if cached(model) is None and not Path(model).exists():
        try:
            local_model(model, "gguf")
        except BenchError as error:
            return Finding("llama.cpp", None, f"not tried: {error}")
    path = local_model(model, "gguf").path
    command = [sys.executable, "-c", SMOKE_CODE, str(path)]
    try:
        run = subprocess.run(command, capture_output=True, text=True, timeout=SMOKE_SECONDS, check=False)
    except subprocess.TimeoutExpired:
        return Finding("llama.cpp", False, f"no token within {SMOKE_SECONDS} s; {REBUILD}")
    if run.returncode < 0:
        return Finding("llama.cpp", False, f"crashes at the first token (signal {-run.returncode}); {REBUILD}")
    if run.returncode > 0:
        reason = run.stderr.strip().splitlines()[-1] if run.stderr.strip() else "no reason given"
        return Finding("llama.cpp", False, f"does not run: {reason}; install it with: make setup")
    return Finding("llama.cpp", True, f"generates ({run.stdout.strip()!r} after 'The capital of France is')")


def _packages() -> Iterator[Finding]:
    yield Finding("python", sys.version_info[:2] >= (3, 10), sys.version.split()[0])
    for package in meter.PACKAGES:
        try:
            yield Finding(package, True, version(package))
        except PackageNotFoundError:
            yield Finding(package, False, "missing; install it with: make setup")


def _resources() -> Iterator[Finding]:
    import shutil

    import psutil

    machine = meter.machine(0)
    cores = number_of(int(machine["cores"]), "core")
    yield Finding("processor", True, f"{machine['processor']} ({cores}; {machine['features']})")
    free = psutil.virtual_memory().available
    yield Finding("memory", free > NEEDED_MEMORY, f"{free / 1e9:.1f} GB free; the default run needs 4")
    disk = shutil.disk_usage(Path.cwd()).free
    yield Finding("disk", disk > NEEDED_DISK, f"{disk / 1e9:.1f} GB free; models need 3")
