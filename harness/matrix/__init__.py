"""CROSS: which cells there are, which of them a run plans, and which failures are expected.

Import-light: nothing here imports torch, transformers or onnxruntime, so that collecting twenty
thousand cells takes seconds.
"""
