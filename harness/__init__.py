"""Conformance harness for the export of transformer architectures from PyTorch to ONNX.

`__init__.pyi` lists the public API. Its names are imported at first use: importing `harness`
imports neither torch nor transformers.
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
