"""Benchmarks: `python -m tests.bench` prints a table of ratios to floors and peers measured in the same run.

Medians of interleaved pairs. The budgets are those of the design; a figure that misses one is printed as such.
"""
