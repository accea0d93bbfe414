"""The command line: `python -m harness`, installed as `onnx-conformance`.

One module per command. Only this package prints. Heavy packages are imported only by the commands
that need them.
"""

from __future__ import annotations

from harness.cli.app import main

__all__ = ["main"]
