"""Which setting has a width that does not fit another: read from shape errors.

Widths with different defaults are different in a tiny model, so a number in an error names a
setting. Some defaults do not fit each other, such as the widths of a tower and of the text.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

import torch

from harness.inference.configuration.drafts import Repair
from harness.inference.configuration.setting_kinds import Kind, kind_of
from harness.inference.configuration.settings import Path, changed, is_size, nodes, own_settings
from harness.inference.failures import Failure

Pair = tuple[int, int]

_PAIRS = (
    re.compile(r"\(\d+x(\d+) and (\d+)x\d+\)"),
    re.compile(r"normalized_shape=\[(\d+)\].*?\[(?:\d+, )*(\d+)\]"),
    re.compile(r"to have (\d+) channels, but got (\d+) channels"),
    re.compile(r"should contain (\d+) elements not (\d+)"),
    re.compile(r"size of tensor a \((\d+)\) must match the size of tensor b \((\d+)\)"),
)
_NOT_MATCHING = re.compile(r"do(?:es)? not match", re.IGNORECASE)
_EMBEDDED = "inputs_embeds"
_WIDTHS = frozenset({Kind.WIDTH, Kind.FEED_FORWARD})
_MOST = 6


def width_repairs(config: Any, settings: Mapping[str, Any], failure: Failure) -> Iterator[Repair]:
    """Yield settings with one width changed to what an error asks for.

    `config` is the tiny configuration of the failing model.
    """
    found = 0
    for got, wanted in _both_ways(_pairs(failure)):
        for path, value in _widths(config):
            if value == got and found < _MOST:
                found += 1
                yield Repair(changed(settings, path, wanted), f"{'.'.join(path)} is {wanted}")


def _pairs(failure: Failure) -> Iterator[Pair]:
    for pattern in _PAIRS:
        if match := pattern.search(failure.text):
            yield int(match[1]), int(match[2])
    if _NOT_MATCHING.search(failure.text):
        yield from _feature_widths(failure)


def _feature_widths(failure: Failure) -> Iterator[Pair]:
    """Yield the widths of features and of the embedded text that they are written into."""
    for frame in failure.frames:
        embedded = frame.values.get(_EMBEDDED)
        if not isinstance(embedded, torch.Tensor):
            continue
        for name, value in frame.values.items():
            if "features" in name and isinstance(value, torch.Tensor) and value.ndim:
                yield int(value.shape[-1]), int(embedded.shape[-1])


def _both_ways(pairs: Iterator[Pair]) -> Iterator[Pair]:
    for one, other in pairs:
        if one != other:
            yield one, other
            yield other, one


def _widths(config: Any) -> Iterator[tuple[Path, int]]:
    for path, node in nodes(config):
        for name, value in own_settings(node).items():
            if is_size(value) and kind_of(name) in _WIDTHS:
                yield (*path, name), value
