"""Check the axes that a description declares for the inputs against eager PyTorch.

Both sides of a verdict get the described feed. So a description that gives one name to two
independent axes, or that makes an input longer than the model reads, would agree with every file
that was exported with it.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

from harness.configs.axes import AxisExpression
from harness.evidence.example import Example
from harness.evidence.reference import EagerError
from harness.requirements.shared.requirement import Blame, Finding

if TYPE_CHECKING:
    import numpy as np
    import torch

    from harness.evidence.reference import Arrays
    from harness.evidence.sides import Sides

    Feed = dict[str, torch.Tensor]

AxisIndices = Mapping[str, int]
"""Input name -> index of the axis that is made longer."""


def description_findings(sides: Sides) -> Iterator[Finding]:
    """Yield a finding for each declared axis that eager PyTorch contradicts.

    `agreement` reports feeds that eager refuses.
    """
    for message in sides.fact(("described axes",), lambda: list(_problems(sides))):
        yield Finding(message=message, part=sides.stem, blame=Blame("harness"))


def _problems(sides: Sides) -> Iterator[str]:
    example = Example.of(sides.config.axis_space.export_sizes, 0)
    try:
        feed, outputs = sides.feed(example), sides.reference(example)
    except EagerError:
        return
    yield from _tied_axes(sides, feed, outputs)
    yield from _unread_mask_ends(sides, feed, outputs)


def _tied_axes(sides: Sides, feed: Feed, outputs: Arrays) -> Iterator[str]:
    """Find inputs that share an axis name although each can be longer without the others."""
    for text, groups in _axis_uses(sides).items():
        for group, places in groups.items():
            others = {n: a for g, ps in groups.items() if g != group for n, a in ps.items()}
            if (
                others
                and _extends_outputs(sides, feed, outputs, places)
                and _extends_outputs(sides, feed, outputs, others)
            ):
                yield (
                    f"axis {text} of {group}: got a name shared with {', '.join(others)}, expected "
                    "an axis name of its own, since eager PyTorch accepts a larger size of either "
                    "alone"
                )
                break


def _axis_uses(sides: Sides) -> Mapping[str, Mapping[str, AxisIndices]]:
    """Axis name -> input group -> input name -> axis index; a cache is one group."""
    sharing: defaultdict[str, defaultdict[str, dict[str, int]]]
    sharing = defaultdict(lambda: defaultdict(dict))
    for name, axes in sides.config.inputs.items():
        for axis, text in axes.items():
            if AxisExpression.parse(text).is_plain:
                sharing[text][name.partition(".")[0]][name] = axis
    return sharing


def _extends_outputs(sides: Sides, feed: Feed, outputs: Arrays, places: AxisIndices) -> bool:
    """Whether one more element on these axes extends the outputs and keeps their old values."""
    import torch

    longer = {n: torch.cat([feed[n], feed[n].narrow(a, 0, 1)], a) for n, a in places.items()}
    try:
        others = sides.eager({**feed, **longer})
    except EagerError:
        return False
    return all(_contains(others[n], outputs[n], sides.config.atol) for n in outputs) and any(
        others[n].shape != outputs[n].shape for n in outputs
    )


def _contains(larger: np.ndarray[Any, Any], smaller: np.ndarray[Any, Any], atol: float) -> bool:
    import numpy as np

    if larger.ndim != smaller.ndim or any(np.less(larger.shape, smaller.shape)):
        return False
    region = larger[tuple(slice(size) for size in smaller.shape)]
    return bool(np.allclose(region, smaller, rtol=0, atol=atol, equal_nan=True))


def _unread_mask_ends(sides: Sides, feed: Feed, outputs: Arrays) -> Iterator[str]:
    """Find masks over a sum of axes whose last position has no effect.

    Eager PyTorch cuts a mask that is too long.
    """
    for name in sides.config.masks:
        for axis, text in sides.config.inputs[name].items():
            if AxisExpression.parse(text).is_plain:
                continue
            other = feed[name].clone()
            end = other.narrow(axis, other.shape[axis] - 1, 1)
            end.copy_(1 - end)
            found = sides.eager({**feed, name: other})
            if all(found[n].tobytes() == outputs[n].tobytes() for n in outputs):
                yield (
                    f"axis {axis} of {name}: got {text}, whose last position eager PyTorch does "
                    "not read, expected a size that it reads completely"
                )
