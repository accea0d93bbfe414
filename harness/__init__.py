"""Conformance harness for the export of transformer architectures from PyTorch to ONNX.

The public API is what `__init__.pyi` lists. It is lazy: importing `harness` imports neither torch
nor transformers.
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
