"""Step 4: the cache of a decoder, and the steps after a past."""
