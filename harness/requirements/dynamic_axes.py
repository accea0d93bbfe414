"""`dynamic-axes`: declared axes are symbolic, others are not, and at run time all of them fit."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

from harness.configs.axes import AxisExpression, shape_problems
from harness.evidence.onnx_file import Dim, graph_inputs, graph_outputs
from harness.evidence.session import CandidateError
from harness.requirements._base import Examined, Finding, Requirement, refused
from harness.requirements._blame import by_declaration
from harness.requirements._described_axes import description_problems
from harness.requirements._signature import expression_of

if TYPE_CHECKING:
    from harness.configs.task_table import Axes
    from harness.evidence.evidence import Evidence
    from harness.evidence.sides import Example, PartEvidence


def examine(evidence: Evidence) -> Iterator[Finding]:
    """The axes that eager has, and the dims that the files declare."""
    for sides in evidence.sides:
        yield from description_problems(sides)
    for part in evidence.parts:
        declared: Mapping[str, Axes] = {**part.config.inputs, **part.config.outputs}
        for name, dims in _declared_dims(part).items():
            for axis, dim in enumerate(dims):
                message = _judge_dim(
                    dim, declared[name].get(axis), judges_text=evidence.is_own_export
                )
                if message:
                    yield Finding(message=f"axis {axis} of {name}: {message}", part=part.stem)


def _declared_dims(part: PartEvidence) -> dict[str, tuple[Dim, ...]]:
    model = part.model_proto
    declared = {**part.config.inputs, **part.config.outputs}
    values = {**graph_inputs(model), **graph_outputs(model)}
    return {n: v.dims for n, v in values.items() if v.dims is not None and n in declared}


def _judge_dim(dim: Dim, text: str | None, *, judges_text: bool) -> str | None:
    """What is wrong with one dim, declared as `text` or, where that is None, as static."""
    if text is None:
        if isinstance(dim, int) or (dim is None and not judges_text):
            return None
        return f"got the symbol {dim!r}, expected a static size, since no dynamic axis is declared"
    if isinstance(dim, int):
        return f"got the frozen size {dim}, expected the dynamic axis {text!r}"
    if dim is not None and dim.strip().isdigit():
        return f"got the number {dim!r} as a symbol, expected the dynamic axis {text!r}"
    if judges_text and expression_of(dim) != AxisExpression.parse(text):
        return f"got the symbol {dim!r}, expected {text!r}"
    return None


def examine_example(part: PartEvidence, example: Example, atol: float) -> Examined:
    """The sizes that one run produces, against the file's dims and the declaration."""
    try:
        arrays: dict[str, Any] = {**part.feed(example), **part.candidate(example)}
    except CandidateError as error:
        return Examined(why_unobserved=refused(error))
    shapes = {name: tuple(array.shape) for name, array in arrays.items()}
    declared = shape_problems(part.config.outputs, shapes, example.axes)
    messages = [*_bindings(part, shapes), *declared]
    return Examined(tuple(Finding(message=message, part=part.stem) for message in messages))


def _bindings(part: PartEvidence, shapes: Mapping[str, tuple[int, ...]]) -> Iterator[str]:
    """A symbol stands for one size everywhere, and a static dim for itself."""
    bound: dict[AxisExpression | str, tuple[int, str]] = {}
    for name, dims in _declared_dims(part).items():
        if len(dims) != len(shapes[name]):
            yield f"rank of {name}: got {len(shapes[name])}, expected {len(dims)} as in the file"
            continue
        for axis, (dim, size) in enumerate(zip(dims, shapes[name], strict=True)):
            place = f"axis {axis} of {name}"
            if isinstance(dim, int) and dim != size:
                yield f"{place}: got {size}, expected {dim} as in the file"
            if not isinstance(dim, str):
                continue
            before, first = bound.setdefault(expression_of(dim) or dim, (size, place))
            if before != size:
                yield f"{place}: got {size} for the symbol {dim!r}, expected {before} as of {first}"


REQUIREMENT = Requirement(
    id="dynamic-axes",
    rank=50,
    proves="declared axes are symbolic, others are static, and every run fits the declaration",
    fails_when="an axis is frozen, undeclared or conflicting, a produced shape contradicts it, or "
    "eager does not tie what the description ties",
    examine=examine,
    examine_example=examine_example,
    explain=by_declaration,
)
