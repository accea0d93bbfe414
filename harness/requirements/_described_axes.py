"""Whether eager PyTorch has the axes that a description gives to the inputs.

Both sides of a verdict are fed as described, so a description that ties axes which the model keeps
apart, or that makes an input longer than the model reads, agrees with every file made by it.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

from harness.configs.axes import AxisExpression
from harness.evidence.sides import EagerError, Example
from harness.requirements._base import Blame, Finding

if TYPE_CHECKING:
    import numpy as np
    import torch

    from harness.evidence.reference import Arrays
    from harness.evidence.sides import Sides

    Feed = dict[str, torch.Tensor]

Places = Mapping[str, int]
"""Input name -> the axis index that grows."""


def description_problems(sides: Sides) -> Iterator[Finding]:
    """What eager says against the declared axes; `agreement` says where it refuses them."""
    for message in sides.fact(("described axes",), lambda: list(_problems(sides))):
        yield Finding(message=message, part=sides.stem, blame=Blame("harness"))


def _problems(sides: Sides) -> Iterator[str]:
    example = Example.of(sides.config.axis_space.export_sizes, 0)
    try:
        feed, outputs = sides.feed(example), sides.reference(example)
    except EagerError:
        return
    yield from _needless_ties(sides, feed, outputs)
    yield from _unread_ends(sides, feed, outputs)


def _needless_ties(sides: Sides, feed: Feed, outputs: Arrays) -> Iterator[str]:
    """Inputs of one axis name, any of which can have more of it than the others have."""
    for text, groups in _sharing(sides).items():
        for group, places in groups.items():
            others = {n: a for g, ps in groups.items() if g != group for n, a in ps.items()}
            if (
                others
                and _only_adds(sides, feed, outputs, places)
                and _only_adds(sides, feed, outputs, others)
            ):
                yield (
                    f"axis {text} of {group}: got one that {', '.join(others)} need not have, as "
                    "eager takes more of either alone and adds to its outputs, expected an axis "
                    "name of its own"
                )
                break


def _sharing(sides: Sides) -> Mapping[str, Mapping[str, Places]]:
    """Axis name -> group -> where it stands; all tensors of a cache are one group."""
    sharing: defaultdict[str, defaultdict[str, dict[str, int]]]
    sharing = defaultdict(lambda: defaultdict(dict))
    for name, axes in sides.config.inputs.items():
        for axis, text in axes.items():
            if AxisExpression.parse(text).is_plain:
                sharing[text][name.partition(".")[0]][name] = axis
    return sharing


def _only_adds(sides: Sides, feed: Feed, outputs: Arrays, places: Places) -> bool:
    """Whether one more of an axis leaves what was there and adds to the outputs."""
    import torch

    longer = {n: torch.cat([feed[n], feed[n].narrow(a, 0, 1)], a) for n, a in places.items()}
    try:
        others = sides.eager({**feed, **longer})
    except EagerError:
        return False
    return all(_holds(others[n], outputs[n], sides.config.atol) for n in outputs) and any(
        others[n].shape != outputs[n].shape for n in outputs
    )


def _holds(larger: np.ndarray[Any, Any], smaller: np.ndarray[Any, Any], atol: float) -> bool:
    import numpy as np

    if larger.ndim != smaller.ndim or any(np.less(larger.shape, smaller.shape)):
        return False
    region = larger[tuple(slice(size) for size in smaller.shape)]
    return bool(np.allclose(region, smaller, rtol=0, atol=atol, equal_nan=True))


def _unread_ends(sides: Sides, feed: Feed, outputs: Arrays) -> Iterator[str]:
    """Masks over a sum of axes whose last place hides nothing: eager cuts what is too long."""
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
                    f"axis {axis} of {name}: got {text}, whose last place eager does not read, "
                    "expected no more than it reads"
                )
