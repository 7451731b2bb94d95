"""One HTTP client to an OpenAI-compatible server, and what its failures say.

Time-outs and back-off are the official client's, except for answers that cannot be read, which it accepts.
The key is read from the environment and stands in no record, log or error text.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any, TypeVar
from urllib.parse import urlsplit

from classifiers.errors import BenchError

FIRST_PAUSE, LONGEST_PAUSE = 0.5, 8.0
"""Seconds until an answer that cannot be read is asked for again; they double, as the client's do."""
MAX_REASON = 300

T = TypeVar("T")
Send = Callable[[Any], T]
"""Sends one request by an openai client and reads the answer; raises ValueError for an answer that it cannot read."""


def address_of(base_url: str) -> str:
    """Return a server's address without any user name or password in it."""
    parts = urlsplit(base_url)
    return f"{parts.scheme}://{parts.hostname}" + (f":{parts.port}" if parts.port else "") + parts.path


class ServerClient:
    """A connection pool to one server, held from `load` to `close`: a new one per call would be timed with it.

    Raises:
        BenchError: if the openai package is missing.
    """

    def __init__(self, base_url: str, *, key_variable: str, timeout_seconds: float, retries: int) -> None:
        try:
            import openai
        except ImportError as error:
            raise BenchError("backend 'server' needs the openai package; install it with: make setup") from error
        self.address = address_of(base_url)
        self._key = os.environ.get(key_variable, "")
        self._retries = retries
        self._errors = (
            openai.OpenAIError,
            ValueError,
        )  # ValueError: an answer that is no JSON, or not what was asked for
        self._client = openai.OpenAI(
            base_url=base_url, api_key=self._key or "none", timeout=timeout_seconds, max_retries=retries
        )

    def close(self) -> None:
        """Close the connections; a second call does nothing."""
        self._client.close()

    def call(self, send: Send[T]) -> T:
        """Return what a request gives, sent again where its answer cannot be read.

        Raises:
            BenchError: if the last try fails too; the line names the server and its reason, without the key.
        """
        return self._named(lambda: self._until_readable(lambda: send(self._client)))

    def probe(self, send: Send[T]) -> None:
        """Send a request once, without retries, so that a server that is not there or refuses it is known at once.

        Raises:
            BenchError: naming the server and its reason.
        """
        self._named(lambda: send(self._client.with_options(max_retries=0)))

    def _named(self, call: Callable[[], T]) -> T:
        try:
            return call()
        except self._errors as error:
            said = reason_of(error)
            said = said.replace(self._key, "***") if self._key else said  # before it is cut, perhaps in the key
            reason = " ".join(said.split())[:MAX_REASON] or type(error).__name__
            # `from None`: the original error carries the request with its headers
            raise BenchError(f"the server at {self.address} failed: {reason}") from None

    def _until_readable(self, ask: Callable[[], T]) -> T:
        """Ask again, ever later, where what comes cannot be read; the last try's ValueError is raised."""
        for i in range(self._retries):
            try:
                return ask()
            except ValueError:
                time.sleep(min(FIRST_PAUSE * 2**i, LONGEST_PAUSE))
        return ask()


def reason_of(error: Exception) -> str:
    """Return a failure as the server words it: the code, and of a JSON body only what is meant to be read."""
    code = getattr(error, "status_code", None)
    body = _said_in(getattr(error, "body", None))
    return f"Error code: {code} - {body}" if code and body else str(error)


def _said_in(body: Any) -> str:
    """Return the texts of an error body: FastAPI's 422 is a list of places and messages, beside the whole input."""
    if isinstance(body, str):
        return body
    if isinstance(body, Sequence):
        return "; ".join(filter(None, map(_said_in, body)))
    if not isinstance(body, Mapping):
        return ""
    if "msg" in body:
        place = ".".join(map(str, body.get("loc") or ()))
        return f"{place}: {body['msg']}" if place else str(body["msg"])
    return next(filter(None, (_said_in(body.get(key)) for key in ("message", "detail", "error", "reason"))), "")
