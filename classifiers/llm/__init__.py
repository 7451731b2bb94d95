"""Prompting a language model: prompt, engine, parsing and retry, one idea per file."""
