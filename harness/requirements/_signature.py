"""Declared inputs and outputs, and their comparison with the file's, for records."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING

from harness.configs.axes import AxisExpression
from harness.errors import DescriptionError
from harness.evidence.onnx_file import Value
from harness.evidence.reference import EagerError
from harness.records import InterfaceValue, PartInterface

if TYPE_CHECKING:
    from harness.configs.axis_space import AxisSpace
    from harness.configs.task_table import Axes
    from harness.evidence.evidence import Evidence
    from harness.evidence.onnx_file import Dim
    from harness.evidence.reference import Arrays
    from harness.evidence.sides import PartEvidence

Signature = Mapping[str, Value]


def declared_signature(part: PartEvidence) -> tuple[Signature, Signature]:
    """Return the declared inputs and outputs of a part.

    Dtypes, ranks and static sizes come from the smallest feed and its reference outputs. Raises
    EagerError if eager PyTorch refuses the feed.
    """
    example = part.subject.first_example
    feed = {name: tensor.numpy() for name, tensor in part.feed(example).items()}
    sides = ((feed, part.config.inputs), (part.reference(example), part.config.outputs))
    inputs, outputs = (_signature(arrays, axes) for arrays, axes in sides)
    return inputs, outputs


def _signature(arrays: Arrays, declared: Mapping[str, Axes]) -> Signature:
    return {
        name: Value(
            name,
            str(array.dtype),
            tuple(declared[name].get(axis, size) for axis, size in enumerate(array.shape)),
        )
        for name, array in arrays.items()
    }


def expression_of(dim: str | None) -> AxisExpression | None:
    """Parse the text of a dim; None if it is not an axis expression."""
    try:
        return AxisExpression.parse(dim or "")
    except DescriptionError:
        return None


def is_same_axis(dim: str | None, text: str, space: AxisSpace) -> bool:
    """Whether the text of a dim means a declared axis expression, at all sizes of a space."""
    found = expression_of(dim)
    return found is not None and space.agree(found, AxisExpression.parse(text))


def interface_of(evidence: Evidence) -> dict[str, PartInterface]:
    """Return the declared and actual interface by part; parts that eager refuses are left out."""
    return {part.stem: found for part in evidence.parts if (found := _interface_of(part))}


def _interface_of(part: PartEvidence) -> PartInterface | None:
    try:
        inputs, outputs = declared_signature(part)
    except EagerError:
        return None
    space = part.config.axis_space
    return PartInterface.bounded(
        inputs=_interface_values(inputs, part.file.inputs, space),
        outputs=_interface_values(outputs, part.file.outputs, space),
    )


def _interface_values(
    declared: Signature, actual: Signature, space: AxisSpace
) -> Iterator[InterfaceValue]:
    """Yield all declared values, then the undeclared ones of the file."""
    for name in dict.fromkeys((*declared, *actual)):
        expected, got = declared.get(name), actual.get(name)
        yield InterfaceValue(
            name=name,
            declared=_text(expected, space) if expected else None,
            actual=_text(got, space, like=expected) if got else None,
        )


def _text(value: Value, space: AxisSpace, *, like: Value | None = None) -> str:
    """Return a text such as `int64[batch_size, 4]`, or only the dtype if the dims are unknown.

    A dim that equals the dim of `like` is written as in `like`, so that texts differ only if their
    meanings differ.
    """
    if value.dims is None:
        return value.dtype
    others = like.dims if like and like.dims and len(like.dims) == len(value.dims) else value.dims
    dims = (_dim(dim, other, space) for dim, other in zip(value.dims, others, strict=True))
    return f"{value.dtype}[{', '.join(dims)}]"


def _dim(dim: Dim, like: Dim, space: AxisSpace) -> str:
    if dim is None:
        return "?"
    if isinstance(dim, str) and isinstance(like, str):
        return like if is_same_axis(dim, like, space) else dim
    return str(dim)
