"""The shipped configs, one TOML file per preset."""
