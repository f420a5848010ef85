"""Measurements of whole processes on this machine, as ratios in one run: `python -m benchmarks.NAME --help`."""
