"""Exported encoders and the runtimes that answer with them."""
