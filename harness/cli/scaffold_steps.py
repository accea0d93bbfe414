"""What `scaffold` shows of each step of inference."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping

from harness.inference.proposal import Proposal, Step


def step_lines(step: Step, found: Proposal) -> Iterator[str]:
    """Yield lines on the result of a step; the first one begins with its name."""
    first, *more = _LINES[step](found)
    yield f"{step.value}: {first}"
    yield from (f"  {line}" for line in more)


def _configuration(found: Proposal) -> Iterator[str]:
    tiny = found.tiny
    yield f"{tiny.size / 1024:.0f} KB of weights, {tiny.plan}"
    yield from (f"repaired: {repair}" for repair in tiny.repairs)
    yield from (f"missing module class: {name}" for name in tiny.missing)
    yield from (f"question: {question}" for question in tiny.questions)


def _feed(found: Proposal) -> Iterator[str]:
    sizes = ", ".join(f"{name} {size}" for name, size in found.feed.export_sizes.items())
    yield f"{len(found.feed.inputs)} inputs at {sizes}"
    for name, one in found.feed.inputs.items():
        yield f"{name}: {one.kind} of {one.dtype} [{', '.join(map(str, one.axes))}]"
    for placeholder in found.feed.placeholders:
        yield f"placeholders of {placeholder.modality}: {placeholder.count} in each row"
    yield from (f"left out: {name}: {why}" for name, why in found.feed.omitted.items())


def _axes(found: Proposal) -> Iterator[str]:
    axes = found.axes
    assert axes is not None
    yield f"{axes.calls} calls of eager in {axes.seconds:.0f} s"
    for axis in axes.axes:
        state = "free" if axis.is_free else "fixed"
        yield f"{state}: {' = '.join(axis.labels)}, {axis.sizes}"
    yield from (f"fixed: {label}" for label in axes.fixed)
    yield from (f"follows: {label} = {text.text}" for label, text in axes.followers.items())
    for ceiling in (one for one in axes.ceilings if one.is_confirmed):
        yield f"end: {ceiling.axis} at {ceiling.path} = {ceiling.value}"
    for name, own in found.outputs.items():
        yield f"output {name} [{', '.join(map(str, own))}]"


def _cache(found: Proposal) -> Iterator[str]:
    if found.steps is None:
        yield "eager makes none"
        return
    kinds = sorted({one.entry.kind.value for one in found.entries})
    lengths = "of several tokens" if found.steps.several_is_right else "of one token"
    right = f"steps {lengths} are right" if found.steps.single_is_right else "steps are wrong"
    yield f"{len(found.entries)} tensors of the kinds {', '.join(kinds)}; {right}"


def _reactions(found: Proposal) -> Iterator[str]:
    reactions = found.reactions
    assert reactions is not None
    yield f"{len(reactions.problems) or 'no'} problems with {len(reactions.ratios)} inputs"
    yield from map(str, reactions.problems)


_LINES: Mapping[Step, Callable[[Proposal], Iterator[str]]] = {
    Step.CONFIGURATION: _configuration,
    Step.FEED: _feed,
    Step.AXES: _axes,
    Step.CACHE: _cache,
    Step.REACTIONS: _reactions,
}
