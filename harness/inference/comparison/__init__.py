"""Compares registered descriptions with what inference finds."""
