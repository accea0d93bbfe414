"""What the pages of a run show: plain values computed from a run, which templates only lay out."""
