"""Rates and memory of the hot paths, each beside the bare limit in the same run. `python -m benchmarks` runs all."""
