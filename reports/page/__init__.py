"""Computes the values that the HTML pages of a run show; the templates only lay them out."""
