"""Find out whether a foreign file that takes no positions counts them as generation does.

Such a file is right for users if it agrees with eager PyTorch on the feeds that generation makes:
positions that follow the past, and under padding on the left, positions counted over the mask.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from harness.configs.cache_layout import as_past, is_present
from harness.configs.decoding import token_axis
from harness.configs.own_positions import POSITIONS, with_own_positions

if TYPE_CHECKING:
    import torch
    from torch import nn

    from harness.configs.base import OnnxConfig
    from harness.evidence.reference import Arrays
    from harness.evidence.sides import PartEvidence

    Feed = Mapping[str, torch.Tensor]
    Sides = tuple[Feed, Arrays, Arrays]
    """A feed, and the outputs of eager PyTorch and of the file."""

MASK = "attention_mask"
ROOM = 10
"""Times atol: other positions move outputs much further, and rounding differs with positions."""


def description_of_files(
    model: nn.Module, config: OnnxConfig, files: OrderedDict[str, Path], atol: float
) -> OnnxConfig:
    """Return the description for judging files of another exporter.

    It is `config`, unless the only file lacks `position_ids` alone and agrees with eager PyTorch on
    the feeds of generation. Then the description is without them.
    """
    from harness.evidence.cell_files import Source
    from harness.evidence.evidence import Evidence

    if not {POSITIONS, MASK} <= set(config.inputs) or len(config.parts) > 1:
        return config
    (part,) = Evidence(model=model, config=config, source=Source(files=files)).parts
    lost = set(config.inputs) - set(part.file.inputs)
    if lost != {POSITIONS} or not _is_right_for_generation(part, atol):
        return config
    return with_own_positions(config)


def _is_right_for_generation(part: PartEvidence, atol: float) -> bool:
    from harness.evidence.reference import EagerError
    from harness.evidence.session import CandidateError

    space = part.config.axis_space
    past = space.export_sizes.get(part.config.past_axis)
    if past is not None and space.ranges[part.config.past_axis].low > 0:
        return False  # the file cannot read a prompt, so no step follows one
    try:
        return all(_agrees(part, sides, atol) for sides in _runs(part, past))
    except (CandidateError, EagerError):
        return False


def _runs(part: PartEvidence, past: int | None) -> Iterator[Sides]:
    """Yield a feed and the outputs of both sides for each run.

    These are a prompt, tokens after any past, a prompt with padding and, on each side with the
    cache that it returned, a token after that prompt.
    """
    config, file_inputs = part.config, set(part.config.inputs) - {POSITIONS}

    def run(feed: Feed, cache: Sides | None = None) -> Sides:
        known = (feed, feed) if cache is None else ({**feed, **one} for one in _pasts(cache))
        eager, candidate = known
        arrays = {name: candidate[name].numpy() for name in file_inputs}
        return feed, part.eager(eager), part.run(arrays)

    yield run(_feed(config, 0, past=None if past is None else 0, is_padded=False))
    if past is not None:
        yield run(_feed(config, 1, past=past, is_padded=False))
    prompt = run(_feed(config, 2, past=None if past is None else 0, is_padded=True))
    yield prompt
    if past is not None:
        length = prompt[0][MASK].shape[1]
        yield run(_feed(config, 3, past=length, is_padded=True, tokens=1), prompt)


def _pasts(sides: Sides) -> Iterator[Feed]:
    """Yield the cache that each side returned, as the next step takes it."""
    from harness.evidence.reference import as_tensors

    _, *outputs = sides
    yield from (as_tensors(as_past(one)) for one in outputs)


def _feed(
    config: OnnxConfig, seed: int, *, past: int | None, is_padded: bool, tokens: int | None = None
) -> Feed:
    """Return a feed in which row r begins with r places of padding, or none has any."""
    import torch

    sizes = {config.past_axis: past, config.STEP_AXIS: tokens}
    given = {axis: size for axis, size in sizes.items() if size is not None}
    feed = config.generate_dummy_inputs(seed=seed, **given)
    rows, keys = feed[MASK].shape
    padding = torch.arange(rows).clamp(max=keys - 1) * is_padded
    mask = (torch.arange(keys) >= padding[:, None]).to(feed[MASK].dtype)
    feed = config.follow_masks({**feed, MASK: mask})
    start = keys - feed[POSITIONS].shape[1]
    return config.pad(feed, {config.STEP_INPUT: mask[:, start:] == 0})


def _agrees(part: PartEvidence, sides: Sides, atol: float) -> bool:
    """Whether the outputs, the cache aside, agree at the places that are no padding.

    The cache holds what rotary positions make of keys; only their differences count.
    """
    from harness.evidence.tolerance import Tolerance
    from harness.requirements.shared.comparison import compare

    feed, *outputs = sides
    seen = [_at_tokens(part.config, one, feed[MASK].numpy()) for one in outputs]
    return not compare(seen[0], seen[1], Tolerance.given(ROOM * atol)).findings


def _at_tokens(config: OnnxConfig, arrays: Arrays, mask: Any) -> Arrays:
    """Return the outputs that are no cache, with zeros where a token is padding."""
    shown: Arrays = {}
    for name, array in arrays.items():
        axis = token_axis(config, config.outputs.get(name, {}))
        if not is_present(name):
            shown[name] = array.copy()
            if axis == 1:
                shown[name][mask[:, -array.shape[1] :] == 0] = 0
    return shown
