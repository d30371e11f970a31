"""The kinds that are written here, one module each."""
