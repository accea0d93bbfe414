"""CROSS: the cells of the matrix, the plan of a run, and the expected failures.

Import-light: nothing here imports torch, transformers or onnxruntime, so collecting 20,000 cells
takes only seconds.
"""
