"""The shipped configs, one TOML file a preset."""
