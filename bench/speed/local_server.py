"""llama-cpp-python's own OpenAI-compatible server on this machine, for the speed benchmark and the tests."""

from __future__ import annotations

import socket
import subprocess
import sys
import time
from pathlib import Path
from types import TracebackType

WAIT_SECONDS = 60.0


class LocalServer:
    """Serves one GGUF on 127.0.0.1; a context manager that ends the server.

    Raises:
        RuntimeError: if it does not answer within a minute.
    """

    def __init__(self, model: Path, *, context: int, threads: int) -> None:
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self.port = int(probe.getsockname()[1])
        options = {"model": model, "n_ctx": context, "n_threads": threads, "n_threads_batch": threads}
        options["port"] = self.port
        words = [word for name, value in options.items() for word in (f"--{name}", str(value))]
        self._command = [sys.executable, "-m", "llama_cpp.server", *words]
        self.start()

    @property
    def url(self) -> str:
        """Return the address an OpenAI client takes."""
        return f"http://127.0.0.1:{self.port}/v1"

    @property
    def peak_memory_bytes(self) -> int:
        """Return the largest resident size of the server so far; 0 where the system does not tell."""
        status = Path(f"/proc/{self._process.pid}/status")
        lines = status.read_text().splitlines() if status.exists() else []
        return next((int(line.split()[1]) * 1024 for line in lines if line.startswith("VmHWM")), 0)

    def start(self) -> None:
        """Start it on its port, also once more after `kill`, and wait until it answers."""
        self._process = subprocess.Popen(self._command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        deadline = time.monotonic() + WAIT_SECONDS
        while time.monotonic() < deadline and self._process.poll() is None:
            try:
                socket.create_connection(("127.0.0.1", self.port), timeout=1).close()
                return
            except OSError:
                time.sleep(0.1)
        self.kill()
        raise RuntimeError(f"the server ended with code {self._process.returncode} before it answered")

    def kill(self) -> None:
        """End it at once."""
        self._process.kill()
        self._process.wait()

    def __enter__(self) -> LocalServer:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.kill()
