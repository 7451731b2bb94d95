"""From records to figures; no files, no printing."""
