"""Measure one process and describe the machine; knows nothing of runs."""
