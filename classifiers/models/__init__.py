"""Model files: their catalogue, cache, download, and checks before they are opened."""
