"""Step 1: a tiny configuration of any architecture."""
