"""Prompting a language model: prompt, engine, parsing and retry, one idea a file."""
