"""Use a saved classifier: single messages, files of any size, label errors."""
