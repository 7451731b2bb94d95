"""Carry out the cells of a run, each in a process of its own."""
