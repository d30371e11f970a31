"""Holds what every room shares: ids, the clock, the error root, JSON types, names. It never does I/O."""
