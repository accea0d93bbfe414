"""What inputs and outputs a description declares, and how a record shows them beside the file's."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING

from harness.configs.axes import AxisExpression
from harness.errors import DescriptionError
from harness.evidence.onnx_file import Value, graph_inputs, graph_outputs
from harness.evidence.sides import EagerError
from harness.records import InterfaceValue, PartInterface

if TYPE_CHECKING:
    from harness.configs.task_table import Axes
    from harness.evidence.evidence import Evidence
    from harness.evidence.onnx_file import Dim
    from harness.evidence.reference import Arrays
    from harness.evidence.sides import PartEvidence

Signature = Mapping[str, Value]


def declared_signature(part: PartEvidence) -> tuple[Signature, Signature]:
    """Inputs and outputs of a part: dtypes, ranks and static sizes are read off a feed and the
    reference's outputs. Raises EagerError."""
    example = part.owner.first_example
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
    """The expression that a dim's text is; None where it is none."""
    try:
        return AxisExpression.parse(dim or "")
    except DescriptionError:
        return None


def interface_of(evidence: Evidence) -> dict[str, PartInterface]:
    """Part -> what is declared beside what its file has; of a part that eager refuses, nothing."""
    return {part.stem: found for part in evidence.parts if (found := _interface_of(part))}


def _interface_of(part: PartEvidence) -> PartInterface | None:
    try:
        inputs, outputs = declared_signature(part)
    except EagerError:
        return None
    return PartInterface.bounded(
        inputs=_side(inputs, graph_inputs(part.model_proto)),
        outputs=_side(outputs, graph_outputs(part.model_proto)),
    )


def _side(declared: Signature, actual: Signature) -> Iterator[InterfaceValue]:
    """All that is declared, then what the file has beside it."""
    for name in dict.fromkeys((*declared, *actual)):
        ours, theirs = declared.get(name), actual.get(name)
        yield InterfaceValue(
            name=name,
            declared=_text(ours) if ours else None,
            actual=_text(theirs, like=ours) if theirs else None,
        )


def _text(value: Value, *, like: Value | None = None) -> str:
    """Such as `int64[batch_size, 4]`, or the dtype alone where the file says no dims.

    A dim that is written in another way than that of `like` and means the same is written like it:
    what the texts differ in is a difference.
    """
    if value.dims is None:
        return value.dtype
    others = like.dims if like and like.dims and len(like.dims) == len(value.dims) else value.dims
    return f"{value.dtype}[{', '.join(map(_dim, value.dims, others))}]"


def _dim(dim: Dim, like: Dim) -> str:
    if dim is None:
        return "?"
    if isinstance(dim, str) and isinstance(like, str):
        return like if expression_of(dim) == AxisExpression.parse(like) else dim
    return str(dim)
