"""The suite: one item per cell, and proof that what is registered is complete.

Other projects run it with `pytest --pyargs conformance -p harness.pytest_plugin`.
"""
