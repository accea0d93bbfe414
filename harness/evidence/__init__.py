"""RUN: what requirements look at, computed when asked for and kept while a cell is judged."""
