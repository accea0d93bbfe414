"""Steps 3 and 5: axes and reactions, by calls of eager at chosen sizes and values."""
