"""Eager PyTorch that carries the weights of an ONNX file whose weights are not float32.

With the same weights, eager and the file's float twin must agree as float32 files do.
"""

from __future__ import annotations

import copy
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from harness.evidence.carried.matching import Match, Matches, match_weights
from harness.evidence.carried.places import weight_places

if TYPE_CHECKING:
    from torch import nn

    from harness.evidence.carried.places import WeightPlace
    from harness.evidence.twin import StoredWeight

__all__ = ["Carried", "carry"]

FLOAT32 = "float32"


@dataclass(frozen=True, slots=True, kw_only=True)
class Carried:
    """A copy of a model with the weights of a file, and how they were found.

    `matches` has part -> matches with the original model. `problems` are the reasons why the copy
    may not have all weights of the file, one line each. Float32 weights of the file are matched,
    and not carried: the copy keeps the model's.
    """

    model: nn.Module
    matches: Mapping[str, tuple[Match, ...]]
    problems: tuple[str, ...]


def carry(model: nn.Module, stored: Mapping[str, Sequence[StoredWeight]]) -> Carried:
    """Return a copy of a model with the weights that the files of its parts store."""
    originals = list(weight_places(model))
    carrying = copy.deepcopy(model)
    copies = dict(zip(originals, weight_places(carrying), strict=True))
    matches = {part: match_weights(weights, originals) for part, weights in stored.items()}
    problems = [
        f"{part}: {problem}"
        for part, found in matches.items()
        for problem in _unknown(found, stored[part])
    ]
    given: dict[WeightPlace, tuple[str, np.ndarray[Any, Any]]] = {}
    for part, found in matches.items():
        for place, values in _values(found.found):
            first, earlier = given.setdefault(place, (part, values))
            if not np.array_equal(earlier, values):
                problems.append(f"{first} and {part} store {place.name} with other values")
    for place, (_, values) in given.items():
        copies[place].replace(values)
    return Carried(
        model=carrying,
        matches={part: found.found for part, found in matches.items()},
        problems=tuple(dict.fromkeys(problems)),
    )


def _unknown(found: Matches, weights: Iterable[StoredWeight]) -> Iterator[str]:
    """Yield each low-precision weight without a place; float32 constants need none."""
    low = {weight.name for weight in weights if weight.form != FLOAT32}
    for name in found.unmatched:
        if name in low:
            yield f"no weight of the model is like {name}"
    for name in found.ambiguous:
        if name in low:
            yield f"several weights of the model are like {name}"


def _values(
    matches: Sequence[Match],
) -> Iterator[tuple[WeightPlace, np.ndarray[Any, Any]]]:
    """Yield each place with the values that it gets."""
    for match in matches:
        if match.stored.form != FLOAT32:
            values = match.of(match.stored.values)
            yield from ((place, values) for place in _chosen(match, matches))


def _chosen(match: Match, others: Iterable[Match]) -> tuple[WeightPlace, ...]:
    """Return the places that a stored tensor is for.

    If a file stores a shared weight twice, such as an embedding that is the output layer too, the
    tensor in the order of the model's is looked up in, and the transposed one multiplies.
    """
    is_shared_otherwise = any(
        other.is_transposed != match.is_transposed and set(other.places) & set(match.places)
        for other in others
    )
    if not is_shared_otherwise:
        return match.places
    return tuple(place for place in match.places if place.looks_up != match.is_transposed)
