"""Prompts, answers and retries: everything said to an LLM and read from it."""
