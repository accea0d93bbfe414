"""The reference of MatMulBnb4, whose weights are codes into a table of 16 floats."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from harness.evidence.kernels.call import Call, NoReferenceError
from harness.evidence.kernels.measures import Expected, float32_rounding

if TYPE_CHECKING:
    Array = np.ndarray[Any, Any]

_FP4 = (0.0, 0.0625 / 12, 8 / 12, 1.0, 4 / 12, 6 / 12, 2 / 12, 3 / 12)
_NF4 = (
    *(-1.0, -0.6961928009986877, -0.5250730514526367, -0.39491748809814453),
    *(-0.28444138169288635, -0.18477343022823334, -0.09105003625154495, 0.0),
    *(0.07958029955625534, 0.16093020141124725, 0.24611230194568634, 0.33791524171829224),
    *(0.44070982933044434, 0.5626170039176941, 0.7229568362236023, 1.0),
)
TABLES = {0: (*_FP4, *(-value for value in _FP4)), 1: _NF4}
"""Values of the codes by `quant_type`: FP4 and NF4 of https://arxiv.org/abs/2305.14314, as in
https://github.com/bitsandbytes-foundation/bitsandbytes"""


def matmul_bnb4(call: Call) -> list[Expected | None]:
    """Return A times the weights: a table's value of each code, times the scale of its block."""
    if not call.attribute("transB", 1) or call.attribute("training_mode", 0):
        raise NoReferenceError("weights that are not transposed are not supported")
    rows, width = int(call.attribute("N")), int(call.attribute("K"))
    packed = call.needed(1).reshape(-1)
    codes = np.stack([packed >> 4, packed & 15], axis=-1).reshape(-1)[: rows * width]
    table = np.array(TABLES[int(call.attribute("quant_type"))], np.float32).astype(np.float64)
    scale = np.repeat(call.wide(2).reshape(-1), int(call.attribute("block_size")))
    weights = (table[codes] * scale[: codes.size]).reshape(rows, width).T
    values = call.wide(0)
    magnitudes = np.matmul(np.abs(values), np.abs(weights))
    return [Expected(np.matmul(values, weights), float32_rounding(magnitudes))]
