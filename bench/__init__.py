"""Benchmarks: one script per family of figures, run by `python -m bench.NAME`, and the table of all their results."""
