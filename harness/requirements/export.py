"""`export`: the exporter produced its files and left the model as it was."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from harness.errors import (
    ExporterError,
    HarnessError,
    NotJudgedError,
    UnsupportedOpsetError,
    one_line,
)
from harness.evidence.isomorphism import graph_differences
from harness.evidence.memory import out_of_memory
from harness.evidence.model_state import State, capture_state, changes
from harness.evidence.onnx_file import parse_whole
from harness.evidence.reference import EagerError
from harness.requirements.shared.requirement import EXPORTER, Finding, Requirement, blame_refusal

if TYPE_CHECKING:
    from harness.evidence.evidence import Evidence


def examine(evidence: Evidence) -> Iterator[Finding]:
    """Export, and compare the state and the eager outputs of the model before and after.

    Raises NotJudgedError if memory runs out, or if a form of files that is not supported may stand
    for missing parts.
    """
    state, before = _state(evidence), _eager_bits(evidence)
    try:
        files = evidence.files.paths
    except ExporterError as error:
        if (reason := out_of_memory(error)) is not None:
            raise reason from error
        yield from _failure(evidence, error)
        return
    missing = [stem for stem in evidence.config.parts if not _is_file(files, stem)]
    unsupported = evidence.files.source.unsupported
    if missing and unsupported:
        raise NotJudgedError(
            f"parts: got {unsupported}, expected {', '.join(missing)}; give one file for each part"
        )
    if missing:
        message = f"parts: got no file for {', '.join(missing)}, expected one file for each part"
        yield Finding(message=message, is_fatal=True)
    threshold = evidence.config.external_data_threshold
    if evidence.files.is_own_export and threshold is not None and not missing:
        yield from _weights_inside(evidence, threshold)
    if not missing:
        _compare_with_alone(evidence)
    yield from map(_changed, changes(state, _state(evidence)))
    if before is not None and _eager_bits(evidence) != before:
        yield _changed("eager outputs")


def _failure(evidence: Evidence, error: ExporterError) -> Iterator[Finding]:
    """Yield the findings of a failed export, with the layer to blame.

    That is the exporter, or the model or its description if eager PyTorch raises an error for the
    same inputs.
    """
    message = f"export: got {one_line(error)}, expected a file"
    refusal = None if isinstance(error, UnsupportedOpsetError) else _eager_refusal(evidence)
    blame = EXPORTER if refusal is None else blame_refusal(refusal)
    yield Finding(message=message, is_fatal=True, blame=blame)
    if refusal is not None:
        message = f"eager PyTorch: got {refusal}, expected it to accept the inputs of the export"
        yield Finding(message=message, is_fatal=True, blame=blame)


def _eager_refusal(evidence: Evidence) -> EagerError | None:
    """Return the error of eager PyTorch for the inputs of the export; None if it raises none."""
    for part in evidence.parts:
        try:
            part.eager(part.config.generate_dummy_inputs())
        except EagerError as error:
            return error
    return None


def _compare_with_alone(evidence: Evidence) -> None:
    """Raise HarnessError if the exporter writes another file with shared work than without it."""
    alone = evidence.files.export_unshared()
    if alone is None:
        return
    for part in evidence.parts:
        shared, plain = parse_whole(part.path), parse_whole(alone.parts[part.stem])
        for found in graph_differences(shared, plain):
            raise HarnessError(
                f"{part.stem}: {found.place}: got {found.sides[0]} with shared work and "
                f"{found.sides[1]} without, expected the same"
            )


def _state(evidence: Evidence) -> State:
    """Return the state of the model; empty for given files, which were not exported here."""
    return capture_state(evidence.model) if evidence.files.is_own_export else {}


def _changed(what: str) -> Finding:
    return Finding(
        message=f"model: got other {what} after the export than before it, expected the exporter "
        "to leave the model as it was",
        is_fatal=True,
    )


def _is_file(files: object, stem: str) -> bool:
    return isinstance(files, dict) and stem in files and files[stem].is_file()


def _weights_inside(evidence: Evidence, threshold: int) -> Iterator[Finding]:
    """Find weights in a file that belong into external data.

    Without this check, a cell for external data would pass with an exporter that writes none.
    """
    for part in evidence.parts:
        tensors = part.model_proto.graph.initializer
        inside = [tensor.name for tensor in tensors if len(tensor.raw_data) >= threshold]
        if inside:
            yield Finding(
                message=f"weights: got {len(inside)} of at least {threshold} bytes inside the "
                f"file, such as {inside[0]}, expected them in external data",
                part=part.stem,
            )


def _eager_bits(evidence: Evidence) -> list[bytes] | None:
    """Return eager's current outputs for the first example, as bytes.

    None if eager PyTorch refuses the feed, which `agreement` reports.
    """
    example = evidence.subject.first_example
    try:
        outputs = [part.eager(part.feed(example)) for part in evidence.parts]
    except EagerError:
        return None
    return [array.tobytes() for arrays in outputs for array in arrays.values()]


REQUIREMENT = Requirement(
    id="export",
    rank=10,
    proves="the exporter wrote its files, with external data if the cell asks for it, and left the "
    "model as it was",
    fails_when="it raises, writes no file for a part, keeps weights inside the file that belong "
    "into external data, or changes the model: weights, dtype, device, mode, gradients, hooks, "
    "methods, settings or eager outputs",
    examine=examine,
)
