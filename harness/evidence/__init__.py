"""RUN: the evidence that requirements examine, computed on request and cached for one cell."""
