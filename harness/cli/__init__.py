"""The command line: `python -m harness`, installed as `onnx-conformance`.

One module per command. Printing happens here and nowhere else, and nothing heavy is imported
before a command needs it.
"""

from __future__ import annotations

from harness.cli.app import main

__all__ = ["main"]
