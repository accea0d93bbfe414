"""The bars of the project, measured as ratios in one run and never asserted by a test."""
