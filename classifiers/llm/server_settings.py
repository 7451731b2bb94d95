"""Where a server is, and how it is asked."""

from __future__ import annotations

from typing import Literal
from urllib.parse import urlsplit

from pydantic import Field, field_validator, model_validator

from classifiers.interface import Settings
from classifiers.llm.decisions import DecisionForm


class ServerSettings(Settings):
    """Where the server is and how it is asked.

    `answers`: free text with retries; `json`, held to a JSON schema of the labels by the server (said in the
    way of `schema_form`: OpenAI, vLLM, llama-server and Ollama take json_schema, llama_cpp.server json_object);
    `logprobs`, free text and label probabilities from the first token's alternatives; `decisions`, for decision models:
    no text, and the probability of every label, asked in the way of `decision_form`. `connection_retries`
    counts tries after a time-out, a dropped connection, 429, 5xx or an answer that is no chat completion;
    `temperatures` are those of the tries at an answer that is a label. `request` adds parameters to every request, or
    replaces ours (`{max_completion_tokens = 64}` takes the place of max_tokens); `leave_out` names those of ours that
    the server refuses.
    """

    base_url: str
    model: str = Field(default="default", description="the name the server knows the model by")
    key_variable: str = "OPENAI_API_KEY"
    answers: Literal["text", "json", "logprobs", "decisions"] = "text"
    schema_form: Literal["json_schema", "json_object"] = "json_schema"
    decision_form: DecisionForm = "systemone"
    examples_per_label: int = Field(default=0, ge=0)
    prompt_template: str = "plain"
    concurrency: int = Field(default=8, ge=1)
    timeout_seconds: float = Field(default=120, gt=0)
    connection_retries: int = Field(default=8, ge=0)
    max_tokens: int = Field(default=32, gt=0)
    request: dict[str, str | int | float | bool] = Field(default_factory=dict)
    leave_out: tuple[Literal["max_tokens", "seed", "temperature"], ...] = ()
    temperatures: tuple[float, ...] = Field(default=(0.0, 0.3, 0.6, 0.9), min_length=1)

    @field_validator("base_url")
    @classmethod
    def _holds_no_key(cls, url: str) -> str:
        """A run keeps its config, so a password in it would stand in a file."""
        parts = urlsplit(url)
        _ = parts.port  # raises ValueError where it is no number
        if "@" in parts.netloc:
            raise ValueError("must hold no user name or password; put the key in the variable key_variable names")
        return url

    @model_validator(mode="after")
    def _decides_without_a_prompt(self) -> ServerSettings:
        """A decision model is asked questions; it has neither a prompt template nor examples."""
        if self.answers == "decisions" and (self.examples_per_label or self.prompt_template != "plain"):
            raise ValueError("answers = 'decisions' has no prompt; leave out examples_per_label and prompt_template")
        return self
