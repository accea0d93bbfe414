"""Turns run files into something to read: pages, merged runs, differences, summaries, badges.

Imports leaves of the harness only, so that it works where torch is not installed.
"""
