"""DESCRIBE: how an architecture says what it takes, what it gives and which axes are dynamic.

Level 1 is `base`, level 2 `middle_end` (one class per modality), level 3 `architectures` (one
module per family). Nothing here imports torch or transformers before a tensor is asked for.
"""
