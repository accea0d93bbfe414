"""Name the axes of a file whose size the values decide, which torch.export calls `u0`, `u1`, ..."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import TYPE_CHECKING

from harness.configs.axes import AxisExpression
from harness.configs.cache_layout import CacheKind

if TYPE_CHECKING:
    import onnx_ir

    from harness.configs.base import OnnxConfig

_UNBACKED = re.compile(r"\bu\d+\b", re.ASCII)


def names_of_derived_axes(outputs: Iterable[onnx_ir.Value], config: OnnxConfig) -> dict[str, str]:
    """Return symbol in the shape of an output -> the derived axis that the description names there.

    An axis counts if its declared text has one derived name and its text in the file one such
    symbol; anything else keeps its symbols.
    """
    found: dict[str, str] = {}
    for value in outputs:
        for axis, text in config.outputs.get(value.name or "", {}).items():
            derived = [n for n in AxisExpression.parse(text).names if n in config.DERIVED_AXES]
            symbols = set(_UNBACKED.findall(str(value.shape[axis]))) if value.shape else set()
            if len(derived) == len(symbols) == 1:
                found.setdefault(symbols.pop(), derived[0])
    return found


def write_kept_lengths(outputs: Iterable[onnx_ir.Value], config: OnnxConfig) -> None:
    """Write the declared axes of layers that keep their window.

    The wrapper of the exporters makes their length one that the values decide.
    """
    windowed = {entry.present for entry in config.cache if entry.kind is CacheKind.WINDOW}
    for value in outputs:
        shape = value.shape
        if shape is None or value.name not in windowed:
            continue
        for axis, text in config.outputs.get(value.name or "", {}).items():
            if not isinstance(shape[axis], int):
                shape[axis] = text
