"""`dynamic-axes`: declared axes are symbolic, all others are static, and every run fits them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

from harness.configs.axes import shape_problems
from harness.evidence.onnx_file import Dim
from harness.evidence.session import CandidateError
from harness.requirements._described_axes import description_findings
from harness.requirements._signature import expression_of, is_same_axis
from harness.requirements.shared.blame import blame_by_declared_shapes
from harness.requirements.shared.requirement import Examined, Finding, Requirement, refusal_reason

if TYPE_CHECKING:
    from harness.configs.axes import AxisExpression
    from harness.configs.axis_space import AxisSpace
    from harness.configs.task_table import Axes
    from harness.evidence.evidence import Evidence
    from harness.evidence.example import Example
    from harness.evidence.sides import PartEvidence
    from harness.evidence.tolerance import Tolerance


def examine(evidence: Evidence) -> Iterator[Finding]:
    """Check the dims of the files against the declared axes, and on tiny models the declared axes
    against eager PyTorch."""
    if evidence.judges_description:
        for sides in evidence.sides:
            yield from description_findings(sides)
    for part in evidence.parts:
        declared: Mapping[str, Axes] = {**part.config.inputs, **part.config.outputs}
        for name, dims in _declared_dims(part).items():
            for axis, dim in enumerate(dims):
                text = declared[name].get(axis)
                space = part.config.axis_space if evidence.files.is_own_export else None
                message = _dim_problem(dim, text, space=space)
                if message:
                    yield Finding(
                        message=f"axis {axis} of {name}: {message}",
                        part=part.stem,
                        is_note=text is None and _is_free_to_name(part, name, axis),
                    )


def _is_free_to_name(part: PartEvidence, name: str, axis: int) -> bool:
    """Whether a foreign file may have a symbol on this static axis.

    The model fixes channels, height and width of many images, and refuses other sizes itself.
    Exporters that write symbols there, as Optimum does, lose nothing.
    """
    is_image = name in part.config.inputs and axis in part.config.image_axes(name)
    return is_image and not part.subject.files.is_own_export


def _declared_dims(part: PartEvidence) -> dict[str, tuple[Dim, ...]]:
    declared = {**part.config.inputs, **part.config.outputs}
    values = {**part.file.inputs, **part.file.outputs}
    return {n: v.dims for n, v in values.items() if v.dims is not None and n in declared}


def _dim_problem(dim: Dim, text: str | None, *, space: AxisSpace | None) -> str | None:
    """Return the defect of one dim, or None.

    `text` is its declared axis expression; None means that the axis is declared static. Symbols are
    compared with `text` over the sizes of `space`, if that is given.
    """
    if text is None:
        if isinstance(dim, int) or (dim is None and space is None):
            return None
        return f"got the symbol {dim!r}, expected a static size, since no dynamic axis is declared"
    if isinstance(dim, int):
        return f"got the frozen size {dim}, expected the dynamic axis {text!r}"
    if dim is not None and dim.strip().isdigit():
        return f"got the number {dim!r} as a symbol, expected the dynamic axis {text!r}"
    if space is not None and not is_same_axis(dim, text, space):
        return f"got the symbol {dim!r}, expected {text!r}"
    return None


def examine_example(part: PartEvidence, example: Example, tolerance: Tolerance) -> Examined:
    """Compare the sizes of one run with the dims of the file and with the declaration."""
    try:
        arrays: dict[str, Any] = {**part.feed(example), **part.candidate(example)}
    except CandidateError as error:
        return Examined(why_unobserved=refusal_reason(error))
    shapes = {name: tuple(array.shape) for name, array in arrays.items()}
    sizes = {**example.axes, **part.config.derived_sizes(arrays)}
    declared = shape_problems(part.config.outputs, shapes, sizes)
    merged = part.file.merged  # the branch without a past names its symbols
    is_named_for_run = merged is None or not merged.uses_cache(part.feed(example))
    messages = [*_bindings(part, shapes, is_named_for_run=is_named_for_run), *declared]
    return Examined(tuple(Finding(message=message, part=part.stem) for message in messages))


def _bindings(
    part: PartEvidence, shapes: Mapping[str, tuple[int, ...]], *, is_named_for_run: bool
) -> Iterator[str]:
    """Find symbols with two sizes in one run, if they are named for it, and static dims with
    another size."""
    bound: dict[AxisExpression | str, tuple[int, str]] = {}
    for name, dims in _declared_dims(part).items():
        if len(dims) != len(shapes[name]):
            yield f"rank of {name}: got {len(shapes[name])}, expected {len(dims)} as in the file"
            continue
        for axis, (dim, size) in enumerate(zip(dims, shapes[name], strict=True)):
            place = f"axis {axis} of {name}"
            if isinstance(dim, int) and dim != size:
                yield f"{place}: got {size}, expected {dim} as in the file"
            if not isinstance(dim, str) or not is_named_for_run:
                continue
            before, first = bound.setdefault(expression_of(dim) or dim, (size, place))
            if before != size:
                yield f"{place}: got {size} for the symbol {dim!r}, expected {before} as on {first}"


REQUIREMENT = Requirement(
    id="dynamic-axes",
    rank=50,
    proves="declared axes are symbolic, others are static, and every run fits the declaration",
    fails_when="an axis is frozen, undeclared or conflicting, the shape of an output contradicts "
    "it, or (tiny models) the description gives one name to axes that are independent in eager "
    "PyTorch",
    examine=examine,
    ignores_tolerance=True,
    examine_example=examine_example,
    explain=blame_by_declared_shapes,
)
