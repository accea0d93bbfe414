"""Write values as Python expressions that evaluate to the same values, bit for bit."""

from __future__ import annotations

import base64
import pprint
import textwrap
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import numpy as np
    import torch

WIDTH = 100
READ_LIMIT = 600
"""Tensors with more values are written in base64, since no reader would look at the numbers."""


class _Float32(float):
    """A float whose repr has the fewest digits that give the same float32."""

    def __repr__(self) -> str:
        import numpy as np

        short = str(np.float32(self))
        exact = np.float32(float(short)).tobytes() == np.float32(self).tobytes()
        return short if exact else float.__repr__(self)


def dict_literal(named: Mapping[Any, Any]) -> str:
    """Return the source of a dict of plain data, one entry per line."""
    lines = (f"    {key!r}: {value!r},\n" for key, value in named.items())
    return f"{{\n{''.join(lines)}}}" if named else "{}"


def tensors_literal(named: Mapping[str, torch.Tensor]) -> str:
    """Return the source of a dict of tensors, which uses `torch` and `decode_tensor`."""
    lines = (f"    {name!r}: {_indented(_tensor(tensor))},\n" for name, tensor in named.items())
    return f"{{\n{''.join(lines)}}}"


def _tensor(tensor: torch.Tensor) -> str:
    array = tensor.detach().cpu().numpy()
    if not array.size:
        return f"torch.zeros({tuple(array.shape)}, dtype={tensor.dtype})"
    if array.size > READ_LIMIT or not _is_finite(array):
        return _encoded(array)
    readable = _readable(array.tolist(), is_float32=array.dtype.name == "float32")
    values = pprint.pformat(readable, width=WIDTH - 12, compact=True)
    return f"torch.tensor(\n{textwrap.indent(values, '    ')},\n    dtype={tensor.dtype},\n)"


def _encoded(array: np.ndarray[Any, Any]) -> str:
    data = base64.b64encode(array.astype(array.dtype.newbyteorder("<")).tobytes()).decode("ascii")
    lines = "\n".join(f'    "{line}"' for line in textwrap.wrap(data, WIDTH - 12))
    return f"decode_tensor(\n{lines},\n    {array.dtype.str!r},\n    {tuple(array.shape)},\n)"


def _readable(values: Any, *, is_float32: bool) -> Any:
    if isinstance(values, list):
        return [_readable(value, is_float32=is_float32) for value in values]
    return _Float32(values) if is_float32 else values


def _is_finite(array: np.ndarray[Any, Any]) -> bool:
    import numpy as np

    return array.dtype.kind not in "fc" or bool(np.isfinite(array).all())


def _indented(text: str) -> str:
    return textwrap.indent(text, "    ").lstrip()
