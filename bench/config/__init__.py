"""What to run: one validated TOML file, its tables, and the cells that it consists of."""
