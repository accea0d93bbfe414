"""Benchmarks of the project's speed and memory limits, called bars.

Each measures ratios within one run. No test asserts a measured time.
"""
