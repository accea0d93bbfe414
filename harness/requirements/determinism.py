"""`determinism`: the same feed gives the same bits, and the file has no random operator."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from harness.evidence.onnx_file import all_nodes, default_opset
from harness.evidence.session import CandidateError
from harness.evidence.tensors import StoredTensor, UnreadableTensorError, stored_tensors
from harness.requirements.shared.requirement import Examined, Finding, Requirement, refusal_reason

if TYPE_CHECKING:
    import onnx

    from harness.evidence.evidence import Evidence
    from harness.evidence.example import Example
    from harness.evidence.sides import PartEvidence
    from harness.evidence.tolerance import Tolerance

RANDOM_OPERATORS = frozenset(
    {
        "Bernoulli",
        "Multinomial",
        "RandomNormal",
        "RandomNormalLike",
        "RandomUniform",
        "RandomUniformLike",
    }
)


def examine(evidence: Evidence) -> Iterator[Finding]:
    """Find random operators and operators in training mode.

    A seed attribute does not make an operator deterministic: each run continues its sequence.
    """
    for part in evidence.files_once:
        constants = _true_constants(part)
        opset = default_opset(part.model_proto) or 0
        for node in all_nodes(part.model_proto):
            expected = _expected_instead(node, opset, constants)
            if expected is not None:
                name = node.name or next(iter(node.output), "")
                message = f"operator {name}: got {node.op_type}, expected {expected}"
                yield Finding(message=message, part=part.stem)


def _expected_instead(node: onnx.NodeProto, opset: int, constants: frozenset[str]) -> str | None:
    if node.domain not in {"", "ai.onnx"}:
        return None
    if node.op_type in RANDOM_OPERATORS:
        return "no random operator"
    return "no operator in training mode" if _is_training(node, opset, constants) else None


def _true_constants(part: PartEvidence) -> frozenset[str]:
    """Return the names of constants that are a single `true`."""
    return frozenset(t.name for t in stored_tensors(part.model_proto) if _is_true(t, part))


def _is_true(tensor: StoredTensor, part: PartEvidence) -> bool:
    try:
        is_flag = tensor.dtype == "BOOL" and tensor.nbytes == 1
        return is_flag and any(tensor.content(part.path.parent))
    except UnreadableTensorError:  # `weights` reports it
        return False


def _is_training(node: onnx.NodeProto, opset: int, constants: frozenset[str]) -> bool:
    """Whether an operator is in training mode, by the rules of its version.

    The sign is an attribute, a constant input, or outputs that exist only in training.

    A computed `training_mode` is not found here, but by running the file.
    """
    if node.op_type not in {"BatchNormalization", "Dropout"}:
        return False
    flags = {attribute.name: attribute.i for attribute in node.attribute}
    if opset < 7:
        return not flags.get("is_test", 0)
    if node.op_type == "Dropout":
        return opset >= 12 and len(node.input) > 2 and node.input[2] in constants
    if opset >= 14:
        return bool(flags.get("training_mode", 0))
    return sum(map(bool, node.output)) > 1


def examine_example(part: PartEvidence, example: Example, tolerance: Tolerance) -> Examined:
    """Compare repeated runs bit by bit, without atol.

    The file is also run without optimisations, since an optimisation may remove a random operator.
    """
    levels = {"": part, " without optimisations": part.plain}
    refusals = {name: _why_not_run(level, example) for name, level in levels.items()}
    messages = [
        f"values of {output}: got other bits from {session}{name}, expected the same ones"
        for name, level in levels.items()
        if refusals[name] is None
        for session, output in level.unequal_repeats(example)
    ]
    findings = tuple(Finding(message=message, part=part.stem) for message in messages)
    return Examined(findings, why_unobserved=None if None in refusals.values() else refusals[""])


def _why_not_run(part: PartEvidence, example: Example) -> str | None:
    """Return why the file did not run, or None. `agreement` and `runtime` report the refusal."""
    try:
        part.unequal_repeats(example)
    except CandidateError as error:
        return refusal_reason(error)
    return None


REQUIREMENT = Requirement(
    id="determinism",
    rank=110,
    proves="a session run twice and a second session give the same bits, and no operator is random "
    "or in training mode",
    fails_when="any bit of any output differs, or a random operator, Dropout or BatchNormalization "
    "in training mode is in the file",
    sample=30,
    ignores_tolerance=True,
    examine=examine,
    examine_example=examine_example,
)
