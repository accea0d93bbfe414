"""The conformance suite: one item per cell, and tests that the registry is complete.

Other projects run it with `pytest --pyargs conformance -p harness.pytest_plugin`.
"""
