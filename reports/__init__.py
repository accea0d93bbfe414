"""Turns run files into something to read: pages now; differences, merges and badges share them.

Imports the leaf `harness.records` only, so that a page can be made where torch is not installed.
"""
