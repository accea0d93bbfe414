"""`interface`: the file has exactly the declared inputs and outputs, of the declared types."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import TYPE_CHECKING

from harness.evidence.onnx_file import graph_inputs, graph_outputs
from harness.evidence.reference import EagerError
from harness.requirements._scope import blame_dtype, blame_names
from harness.requirements._signature import Signature, declared_signature, interface_of
from harness.requirements.shared.requirement import Finding, Requirement, blame_refusal

if TYPE_CHECKING:
    from harness.evidence.evidence import Evidence
    from harness.evidence.sides import PartEvidence


_OWN_POSITIONS = (
    "input position_ids: got none, expected one; the file counts positions itself and agrees with "
    "eager PyTorch on the feeds of generate(), with and without padding on the left, so it is "
    "judged without this input"
)


def examine(evidence: Evidence) -> Iterator[Finding]:
    if evidence.config.counts_positions_itself:
        yield Finding(message=_OWN_POSITIONS, is_note=True)
    for part in evidence.parts:
        yield from _merged(part)
        try:
            expected = declared_signature(part)
        except EagerError as error:
            yield Finding(
                message=f"eager PyTorch: got {error}, expected it to accept the smallest "
                "declared feed, which gives dtypes and ranks",
                part=part.stem,
                blame=blame_refusal(error),
            )
            continue
        for side, values, signature in zip(
            ("input", "output"),
            (part.file.inputs, part.file.outputs),
            expected,
            strict=True,
        ):
            yield from _names(side, values, signature, part)
            yield from _types(side, values, signature, part)
            if evidence.files.is_own_export:
                yield from _order(side, values, signature, part)


def _merged(part: PartEvidence) -> Iterator[Finding]:
    """Note what a merged decoder has for its other branch, which this part does not declare."""
    merged = part.file.merged
    if merged is None:
        return
    inputs, outputs = (
        [name for name in values(part.model_proto) if name in merged.names_of_other]
        for values in (graph_inputs, graph_outputs)
    )
    sides = [f"inputs {_shortened(inputs)}"]
    sides += [f"outputs {_shortened(outputs)}"] if outputs else []
    yield Finding(
        message=f"{part.stem}: got a branch of a merged decoder, which also has the "
        f"{' and the '.join(sides)}; the part is judged without them, and symbols have the names "
        "of the branch without a past, so they are not compared in the other",
        part=part.stem,
        is_note=True,
    )


def _shortened(names: Sequence[str]) -> str:
    first, *others = names
    return f"{first} and {len(others)} more" if others else first


def _names(
    side: str, values: Signature, signature: Signature, part: PartEvidence
) -> Iterator[Finding]:
    lost = [name for name in signature if name not in values]
    undeclared = [name for name in values if name not in signature]
    if lost or undeclared:
        yield Finding(
            message=f"{side} names: got {_listed(values)}, expected {_listed(signature)} "
            f"(lost: {_listed(lost)}; undeclared: {_listed(undeclared)})",
            part=part.stem,
            is_fatal=True,
            blame=blame_names(undeclared),
        )


def _types(
    side: str, values: Signature, signature: Signature, part: PartEvidence
) -> Iterator[Finding]:
    for name in (name for name in signature if name in values):
        declared, value = signature[name], values[name]
        if value.dtype != declared.dtype:
            message = f"dtype of {side} {name}: got {value.dtype}, expected {declared.dtype}"
            blame = blame_dtype(value.dtype, declared.dtype)
            yield Finding(message=message, part=part.stem, is_fatal=True, blame=blame)
        if value.rank is not None and value.rank != declared.rank:
            message = f"rank of {side} {name}: got {value.rank}, expected {declared.rank}"
            yield Finding(message=message, part=part.stem, is_fatal=True)


def _order(
    side: str, values: Signature, signature: Signature, part: PartEvidence
) -> Iterator[Finding]:
    if set(values) == set(signature) and list(values) != list(signature):
        yield Finding(
            message=f"{side} order: got {_listed(values)}, expected {_listed(signature)}",
            part=part.stem,
        )


def _listed(names: Iterable[str]) -> str:
    return ", ".join(names) or "none"


REQUIREMENT = Requirement(
    id="interface",
    rank=40,
    proves="inputs and outputs have the declared names, dtypes, ranks and (own exports) order",
    fails_when="one is missing, undeclared, renamed, reordered or of another dtype or rank",
    examine=examine,
    interface=interface_of,
)
