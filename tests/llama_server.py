"""llama.cpp's own server for the tests, which the package `xllamacpp` carries built."""

from __future__ import annotations

import sys
import time
from contextlib import suppress
from pathlib import Path
from urllib.request import urlopen

from bench.speed.local_server import WAIT_SECONDS, LocalServer

SERVE = """
import sys, threading
import xllamacpp
params = xllamacpp.CommonParams()
params.model.path = {model!r}
params.port = int(sys.argv[1])
params.n_ctx, params.n_parallel, params.use_jinja, params.warmup = {context}, 1, True, False
params.cpuparams.n_threads = params.cpuparams_batch.n_threads = {threads}
params.flash_attn_type = {flash_attention}
if {exact}:
    params.cache_type_k = params.cache_type_v = xllamacpp.ggml_type.GGML_TYPE_F32
server = xllamacpp.Server(params)
threading.Event().wait()
"""


class LlamaServer(LocalServer):
    """Serves one GGUF from a process of its own, which can be killed and started again on the same port.

    Attention is computed as our engine does; with `exact`, keys and values are kept as 32-bit floats.
    """

    def __init__(self, model: Path, *, context: int, threads: int, exact: bool = False) -> None:
        from classifiers.llm.engine.decoder import fuses_attention

        values = {"model": str(model), "context": context, "threads": threads, "exact": exact}
        self._starter = SERVE.format(**values, flash_attention=-1 if fuses_attention() and not exact else 0)
        super().__init__(model, context=context, threads=threads)

    def start(self) -> None:
        """Start it, also once more after `kill`, and wait until the model is loaded."""
        self._command = [sys.executable, "-c", self._starter, str(self.port)]
        super().start()
        deadline = time.monotonic() + WAIT_SECONDS
        while time.monotonic() < deadline:  # it listens at once and answers 503 while it loads
            with suppress(OSError), urlopen(f"http://127.0.0.1:{self.port}/health", timeout=5):
                return
            time.sleep(0.1)
        raise RuntimeError("the server did not load its model")
