"""`cache`: what a file returns of its cache is what it goes on from, as users decode with it."""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import TYPE_CHECKING

from harness.configs.decoding import PAST, PRESENT, as_past
from harness.errors import RuntimeRefusalError
from harness.evidence.decoding import DecodingError
from harness.evidence.generation import GenerationError, generate, why_not_generated
from harness.evidence.session import CandidateError
from harness.evidence.sides import EagerError
from harness.requirements._base import DESCRIPTION, Blame, Examined, Finding, Requirement
from harness.requirements._blame import UNLESS_UNSURE, by_execution, rounding
from harness.requirements._decode import (
    GREEDY,
    compare_choices,
    compare_rows,
    compare_steps,
    culprit,
)

if TYPE_CHECKING:
    from harness.configs.base import OnnxConfig
    from harness.evidence.decoding import Course, Decoding
    from harness.evidence.evidence import Evidence
    from harness.evidence.facts import Value
    from harness.evidence.generation import Generation
    from harness.evidence.reference import Arrays
    from harness.evidence.sides import Example, PartEvidence, Sides, TogetherEvidence

    Claim = Callable[[], Examined]

_UNDECLARED = Blame(
    "harness", "the description is to blame: it leaves out what it declares as an input"
)


def why_not_applicable(config: OnnxConfig) -> str | None:
    """A reason where no file takes what another run of it, or of another, returned."""
    if any(part.use_past_in_inputs for part in config.parts.values()):
        return None
    return f"no file of {config.task} continues from a cache"


def examine(evidence: Evidence) -> Iterator[Finding]:
    """What a step takes and none before it is declared to return, and what is not claimed here."""
    yield from _never_returned(evidence.config)
    reason = why_not_generated(evidence.model, evidence.config)
    if reason is not None:
        yield Finding(message=f"{GREEDY} are not compared with generate(): {reason}", is_note=True)


def _never_returned(config: OnnxConfig) -> Iterator[Finding]:
    """The first step with a past takes all of it from the file that ran before, which is the same
    one where no file begins without a past."""
    continuing = {s: part for s, part in config.parts.items() if part.use_past_in_inputs}
    for stem, part in continuing.items():
        before = [p for s, p in config.parts.items() if s not in continuing] or [part]
        past = as_past({name: name for one in before for name in one.outputs})
        lost = [name for name in part.inputs if name.startswith(PAST) and name not in past]
        if lost:
            presents = ", ".join(name.replace(PAST, PRESENT, 1) for name in lost)
            got = ", ".join(past.values())
            message = f"declared outputs: got {got}, expected {presents} too, for the next step"
            yield Finding(message=message, part=stem, blame=_UNDECLARED)


def examine_part(part: PartEvidence, example: Example, atol: float) -> Examined:
    """One file that continues. Of several, only all of them together decode."""
    evidence = part.owner
    claims = [] if evidence.together else list(_claims(evidence, example, atol))
    claims.append(functools.partial(compare_rows, part, example, atol))
    return _kept(part, example, atol, claims)


def examine_together(together: TogetherEvidence, example: Example, atol: float) -> Examined:
    """All files of a cell, run one after the other."""
    return _kept(together, example, atol, _claims(together.owner, example, atol))


def _kept(sides: Sides, example: Example, atol: float, claims: Iterable[Claim]) -> Examined:
    """What was found the first time: a file that rolls dice must not change a verdict by rolling
    again."""
    kept = sides.owner.decoding.kept
    key = (sides.stem, example, atol)
    if key not in kept:
        kept[key] = _first_refuted(claims, sides.owner, atol)
    found: Examined = kept[key]
    return found


def _claims(evidence: Evidence, example: Example, atol: float) -> Iterator[Claim]:
    """What decoding claims of an example."""
    yield functools.partial(_steps, evidence, example, atol)
    if why_not_generated(evidence.model, evidence.config) is None:
        yield functools.partial(_greedy, evidence, example, atol)


def _known(evidence: Evidence, claim: str, example: Example, compute: Callable[[], Value]) -> Value:
    """What eager alone says for a claim."""
    return evidence.decoding.sides.fact((claim, example), compute)


def _whole(decoding: Decoding, example: Example) -> tuple[Course, Arrays]:
    """A course and eager's full forward over it; raises EagerError."""
    course = decoding.course(example)
    return course, decoding.full(course)


def _generation(evidence: Evidence, example: Example) -> Generation | GenerationError:
    try:
        return generate(evidence.model, evidence.config, evidence.decoding.course(example))
    except GenerationError as error:
        return error


def _steps(evidence: Evidence, example: Example, atol: float) -> Examined:
    decoding = evidence.decoding
    course, expected = _known(evidence, "steps", example, lambda: _whole(decoding, example))
    got = decoding.run(course)
    return compare_steps(decoding, course, expected, got, atol)


def _greedy(evidence: Evidence, example: Example, atol: float) -> Examined:
    """A generation that raises leaves the claim in doubt: the task says that the model generates,
    so that one that can't is for someone to look at, though the file may be right."""
    decoding = evidence.decoding
    generation = _known(evidence, "greedy", example, lambda: _generation(evidence, example))
    if isinstance(generation, GenerationError):
        return Examined(doubts={GREEDY: f"{GREEDY} are compared with nothing: {generation}"})
    got = decoding.run(generation.course)
    examined = compare_choices(generation, got["logits"], atol)
    if not examined.findings:
        return examined
    expected = decoding.full(generation.course)
    is_described = not compare_choices(generation, expected["logits"], atol).findings
    return examined if is_described else _blamed_on_description(examined)


def _blamed_on_description(examined: Examined) -> Examined:
    reason = (
        "the description is to blame: eager fed as described does not choose them either, so it "
        "lacks what generation feeds"
    )
    findings = (
        dataclasses.replace(finding, blame=Blame("harness", reason))
        for finding in examined.findings
    )
    return dataclasses.replace(examined, findings=tuple(findings))


def _first_refuted(claims: Iterable[Claim], evidence: Evidence, atol: float) -> Examined:
    """What the claims say up to the first that is refuted, which would explain the others."""
    examined = Examined()
    for claim in claims:
        one = _guarded(claim, evidence)
        findings = tuple(_attributed(one.findings, evidence, atol))
        measures = (*examined.measures, *one.measures)
        examined = Examined(findings, measures, {**examined.doubts, **one.doubts})
        if findings:
            break
    return examined


def _guarded(claim: Claim, evidence: Evidence) -> Examined:
    """A side that refuses is a finding."""
    try:
        return claim()
    except DecodingError as error:
        finding = Finding(message=str(error), part=error.stem, error=RuntimeRefusalError)
    except CandidateError as error:
        message = f"ONNX Runtime: got {error}, expected it to run"
        finding = Finding(message=message, error=RuntimeRefusalError)
    except EagerError as error:
        message = f"eager PyTorch: got {error}, expected it to take what the description declares"
        stem = evidence.decoding.sides.stem
        finding = Finding(message=message, part=stem, blame=DESCRIPTION)
    return Examined((finding,))


def _attributed(findings: Sequence[Finding], evidence: Evidence, atol: float) -> Iterator[Finding]:
    """Findings with the part at fault."""
    if findings:
        stem = culprit(evidence.decoding, atol)
        yield from (dataclasses.replace(f, part=f.part or stem) for f in findings)


REQUIREMENT = Requirement(
    id="cache",
    rank=100,
    proves="prefill and decode steps on the same files equal one full forward of eager PyTorch and "
    "choose the tokens of generate(), and rows of the cache do not mix",
    fails_when="any step differs from the full forward by more than atol, a file refuses what it "
    "returned, a choice with a margin of 10 x atol differs, or rows in another order give other "
    "outputs" + UNLESS_UNSURE,
    why_not_applicable=why_not_applicable,
    sample=30,
    examine=examine,
    examine_example=examine_part,
    examine_together=examine_together,
    explain=by_execution,
    rounding=rounding,
)
