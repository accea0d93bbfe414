"""References of the operators of com.microsoft that compute with dequantised codes.

Each operand has codes, scale and zero point; scale and zero point of the result follow:
https://github.com/microsoft/onnxruntime/blob/main/docs/ContribOperators.md
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from harness.evidence.kernels.call import Call, NoReferenceError, evaluate_standard
from harness.evidence.kernels.measures import Expected
from harness.evidence.kernels.quantising_operators import rounded_result
from harness.evidence.kernels.scales import dequantise, number

if TYPE_CHECKING:
    Array = np.ndarray[Any, Any]
    Function = Callable[[Call, Sequence[Array]], Array]


def on_values(
    function: Function, *, operands: int, first: int = 0
) -> Callable[[Call], list[Expected | None]]:
    """Return the reference of an operator that applies a function to the values of its operands.

    `first` is the index of the first operand's codes.
    """

    def reference(call: Call) -> list[Expected | None]:
        values = [_operand(call, first + 3 * n) for n in range(operands)]
        after = first + 3 * operands
        return [_quantised(call, function(call, values), scale=after, zero_point=after + 1)]

    return reference


def concat(call: Call) -> list[Expected | None]:
    """Return the joined operands; scale and zero point of the result come first."""
    parts = [_operand(call, index) for index in range(2, len(call.inputs), 3)]
    joined = np.concatenate(parts, axis=int(call.attribute("axis", 0)))
    return [_quantised(call, joined, scale=0, zero_point=1)]


def standard(call: Call, values: Sequence[Array]) -> Array:
    """Return the result of the standard operator that a name such as QLinearAdd contains."""
    if call.attribute("channels_last", 0):
        raise NoReferenceError("channels in the last place are not supported")
    operator = call.node.op_type.removeprefix("QLinear")
    return evaluate_standard(call, values, operator=operator)[0]


def softmax(call: Call, values: Sequence[Array]) -> Array:
    """Return the softmax along an axis; before opset 13, along all axes from this one."""
    axis, opset = int(call.attribute("axis", -1)), int(call.attribute("opset", 13))
    form = values[0].shape
    rows = values[0].reshape(*form[: axis % len(form)], -1) if opset < 13 else values[0]
    along = -1 if opset < 13 else axis
    powers = np.exp(rows - rows.max(axis=along, keepdims=True))
    shares: Array = powers / powers.sum(axis=along, keepdims=True)
    return shares.reshape(form)


def where(call: Call, values: Sequence[Array]) -> Array:
    """Return the first operand where the condition holds, and else the second."""
    return np.where(call.needed(0), *values)


def _operand(call: Call, index: int) -> Array:
    scale = call.wide(index + 1).reshape(())
    return dequantise(call.needed(index), scale, _zero_point(call, index + 2))


def _quantised(call: Call, values: Array, *, scale: int, zero_point: int) -> Expected:
    steps = values / call.wide(scale).reshape(())
    return rounded_result(call, steps, _zero_point(call, zero_point))


def _zero_point(call: Call, index: int) -> Array:
    return number(0) if call.optional(index) is None else call.wide(index).reshape(())
