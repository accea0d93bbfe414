"""`cache`: decoding step by step with the returned cache gives the results of eager PyTorch."""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import TYPE_CHECKING

from harness.configs.cache_layout import as_past, is_past, present_name
from harness.errors import RuntimeRefusalError
from harness.evidence.decoding import DecodingError, decoded_sizes, decoding_of
from harness.evidence.generation import GenerationError, generate, why_not_generated
from harness.evidence.reference import EagerError
from harness.evidence.session import CandidateError
from harness.requirements._decode import (
    GREEDY,
    compare_choices,
    compare_rows,
    compare_steps,
    part_at_fault,
)
from harness.requirements.shared.blame import (
    ROUNDING_EXCEPTION,
    blame_by_execution,
    measure_rounding,
)
from harness.requirements.shared.requirement import (
    Blame,
    Examined,
    Finding,
    Requirement,
    blame_refusal,
)

if TYPE_CHECKING:
    from harness.configs.base import OnnxConfig
    from harness.evidence.decoding import DecodeReference, DecodeSchedule, Decoding
    from harness.evidence.evidence import Evidence
    from harness.evidence.example import Example
    from harness.evidence.generation import Generation
    from harness.evidence.sides import PartEvidence, Sides, TogetherEvidence
    from harness.evidence.tolerance import Tolerance

    Claim = Callable[[], Examined]
    """One comparison that can refute the requirement."""

_MISSING_CACHE_OUTPUT = Blame(
    "harness", "the description is at fault: it declares cache inputs without the matching outputs"
)


def why_not_applicable(config: OnnxConfig) -> str | None:
    """Return a reason if no file takes a cache as input, else None."""
    if any(part.use_past_in_inputs for part in config.parts.values()):
        return None
    return f"no file of {config.task} continues from a cache"


def examine(evidence: Evidence) -> Iterator[Finding]:
    """Check that the declared outputs contain the cache of the next step. A note says if tokens are
    not compared with `generate()`."""
    yield from _missing_cache_outputs(evidence.config)
    reason = why_not_generated(evidence.model, evidence.config)
    if reason is not None:
        yield Finding(message=f"{GREEDY} are not compared with generate(): {reason}", is_note=True)


def _missing_cache_outputs(config: OnnxConfig) -> Iterator[Finding]:
    """Cache inputs that no output declares.

    The first step with a past takes its cache from the file that returns one and takes none, or, if
    there is no such file, from the same file.
    """
    continuing = {s: part for s, part in config.parts.items() if part.use_past_in_inputs}
    for stem, part in continuing.items():
        starting = [p for s, p in config.parts.items() if s not in continuing and p.use_past]
        before = starting or [part]
        past = as_past({name: name for earlier in before for name in earlier.outputs})
        missing = [name for name in part.inputs if is_past(name) and name not in past]
        if missing:
            presents = ", ".join(present_name(name) for name in missing)
            got = ", ".join(past.values())
            message = f"declared outputs: got {got}, expected {presents} too, for the next step"
            yield Finding(message=message, part=stem, blame=_MISSING_CACHE_OUTPUT)


def examine_part(part: PartEvidence, example: Example, tolerance: Tolerance) -> Examined:
    """Examine one file that takes a cache.

    Decoding is checked here if the cell has one file, and in `examine_together` if it has several.
    """
    claims = list(_claims(part, example, tolerance)) if part.is_whole else []
    claims.append(functools.partial(compare_rows, part, example, tolerance))
    return _examine_once(part, example, tolerance, claims)


def examine_together(
    together: TogetherEvidence, example: Example, tolerance: Tolerance
) -> Examined:
    """Examine decoding with all files of a cell, run one after the other."""
    return _examine_once(together, example, tolerance, _claims(together, example, tolerance))


def _examine_once(
    sides: Sides, example: Example, tolerance: Tolerance, claims: Iterable[Claim]
) -> Examined:
    """Return the result of the first examination of an example."""
    return sides.keep(("cache", example, tolerance), lambda: _run_claims(claims, sides, tolerance))


def _claims(sides: Sides, example: Example, tolerance: Tolerance) -> Iterator[Claim]:
    """The decoding claims to check on an example."""
    yield functools.partial(_check_steps, sides, example, tolerance)
    if why_not_generated(sides.subject.model, sides.subject.config) is None:
        yield functools.partial(_check_greedy_tokens, sides, example, tolerance)


def _reference(decoding: Decoding, example: Example) -> tuple[DecodeSchedule, DecodeReference]:
    """Return an example's decode schedule and eager's outputs for it. Raises EagerError."""
    schedule = decoding.schedule_for(example)
    return schedule, decoding.reference(schedule)


def _generate(decoding: Decoding, example: Example) -> Generation | GenerationError:
    model = decoding.sides.subject.model
    try:
        return generate(model, decoding.config, decoding.schedule_for(example))
    except GenerationError as error:
        return error


def _check_steps(sides: Sides, example: Example, tolerance: Tolerance) -> Examined:
    decoding = decoding_of(sides)
    schedule, reference = sides.fact(("steps", example), lambda: _reference(decoding, example))
    got = decoding.run(schedule)
    return compare_steps(decoding, schedule, reference, got, tolerance)


def _check_greedy_tokens(sides: Sides, example: Example, tolerance: Tolerance) -> Examined:
    """Compare the chosen tokens with the tokens of `generate()`.

    If `generate()` raises, the claim is in doubt and not refuted: the file may be correct, but the
    task requires a model that generates, so a person must look at it.
    """
    decoding = decoding_of(sides)
    generation = sides.fact(("greedy", example), lambda: _generate(decoding, example))
    if isinstance(generation, GenerationError):
        return Examined(doubts={GREEDY: f"{GREEDY} cannot be compared: {generation}"})
    got = decoding.run(generation.schedule)
    atol = tolerance.for_output("logits")
    examined = compare_choices(generation, got["logits"], atol)
    if not examined.findings:
        return examined
    reference = decoding.reference(generation.schedule)
    expected = reference.in_one_call if reference.in_steps is None else reference.in_steps
    is_described = not compare_choices(generation, expected["logits"], atol).findings
    return examined if is_described else _blame_description(examined)


def _blame_description(examined: Examined) -> Examined:
    reason = (
        "the description is at fault: eager PyTorch, fed as described, does not choose them "
        "either, so an input that generate() feeds is missing"
    )
    findings = (
        dataclasses.replace(finding, blame=Blame("harness", reason))
        for finding in examined.findings
    )
    return dataclasses.replace(examined, findings=tuple(findings))


def _run_claims(claims: Iterable[Claim], sides: Sides, tolerance: Tolerance) -> Examined:
    """Run the claims up to the first refuted one, which would also explain the others."""
    examined = Examined()
    for claim in claims:
        result = _run_claim(claim, sides)
        findings = tuple(_with_part(result.findings, sides, tolerance))
        measures = (*examined.measures, *result.measures)
        doubts, notes = {**examined.doubts, **result.doubts}, (*examined.notes, *result.notes)
        examined = Examined(findings, measures, doubts, notes=notes)
        if findings:
            break
    return examined


def _run_claim(claim: Claim, sides: Sides) -> Examined:
    """Run one claim. A refusal by eager PyTorch or ONNX Runtime becomes a finding."""
    try:
        return claim()
    except DecodingError as error:
        finding = Finding(message=str(error), part=error.stem, error=RuntimeRefusalError)
    except CandidateError as error:
        message = f"ONNX Runtime: got {error}, expected it to run"
        finding = Finding(message=message, error=RuntimeRefusalError)
    except EagerError as error:
        message = f"eager PyTorch: got {error}, expected it to accept the declared inputs"
        finding = Finding(message=message, part=sides.stem, blame=blame_refusal(error))
    return Examined((finding,))


def _with_part(
    findings: Sequence[Finding], sides: Sides, tolerance: Tolerance
) -> Iterator[Finding]:
    """Add the part at fault to the findings that name none."""
    if findings:
        stem = part_at_fault(decoding_of(sides), tolerance) if sides.is_whole else sides.stem
        yield from (dataclasses.replace(f, part=f.part or stem) for f in findings)


REQUIREMENT = Requirement(
    id="cache",
    rank=100,
    proves="prefill and decode steps with the same files agree with one full forward of eager "
    "PyTorch (with its own steps if its rotary scaling makes them differ) and choose the tokens of "
    "generate(), and rows of the cache do not mix",
    fails_when="any step differs from eager PyTorch by more than atol, a file refuses the cache "
    "that it returned, a chosen token with a margin of 10 x atol differs, or the order of the rows "
    "changes their outputs" + ROUNDING_EXCEPTION,
    why_not_applicable=why_not_applicable,
    sizes=decoded_sizes,
    sample=30,
    examine=examine,
    examine_example=examine_part,
    examine_together=examine_together,
    explain=blame_by_execution,
    measure_rounding=measure_rounding,
)
