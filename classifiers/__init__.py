"""Classifiers of short texts behind one interface; start reading at `classifiers.interface`."""
