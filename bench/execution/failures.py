"""Say in words why a cell has no result: of an error that its worker met, or of how its process ended."""

from __future__ import annotations

import errno
import re
import signal

from classifiers.errors import BenchError

STOPPED = "stopped before its end; its answers so far are kept"
HINTS = {
    "SIGSEGV": "segmentation fault in native code; bench doctor tells whether llama.cpp runs here",
    "SIGILL": "illegal instruction: native code was built for another processor; run make setup again",
    "SIGKILL": "killed, most likely because memory ran out",
    "SIGABRT": "native code gave up, often because memory ran out; see log.txt",
}
NO_MEMORY = re.compile(
    r"allocate (memory(?! in static TLS)|.*buffer)|out of memory|no memory|bad_alloc|map segment from shared object$",
    re.IGNORECASE,
)
"""What torch, llama.cpp and the loader of shared objects write, whose errors have no type of their own for it."""


def cause_of_error(error: Exception) -> str:
    """Return one line: our own errors as they are, others with their type, a lack of memory by its name."""
    text = " ".join(str(error).split())
    if not isinstance(error, BenchError):
        text = f"{type(error).__name__}: {text}".rstrip(": ")
    return f"memory ran out ({text})" if _is_lack_of_memory(error) else text


def _is_lack_of_memory(error: Exception) -> bool:
    number = error.errno if isinstance(error, OSError) else None
    return isinstance(error, MemoryError) or number == errno.ENOMEM or bool(NO_MEMORY.search(str(error)))


def cause_of_exit(code: int) -> str:
    """Say how a process ended that could not say it itself."""
    if code >= 0:
        return f"the worker ended with exit code {code}; see log.txt"
    name = signal.Signals(-code).name
    return f"the worker died of {name} ({HINTS.get(name, 'see log.txt')})"


def is_interrupt(code: int) -> bool:
    """Tell whether a process ended because of Ctrl-C, which a terminal sends to the worker too."""
    return code in (128 + signal.SIGINT, -signal.SIGINT)
