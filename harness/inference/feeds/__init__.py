"""Step 2: a feed of any model."""
