"""Eager PyTorch that carries the weights of an ONNX file whose weights are not float32.

With the same weights, eager and the file's float twin must agree as float32 files do.
"""

from __future__ import annotations

import copy
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from harness.evidence.carried.matching import Match, match_weights
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


def carry(model: nn.Module, stored: Mapping[str, Iterable[StoredWeight]]) -> Carried:
    """Return a copy of a model with the weights that the files of its parts store."""
    originals = list(weight_places(model))
    carrying = copy.deepcopy(model)
    places = dict(zip(originals, weight_places(carrying), strict=True))
    matches: dict[str, tuple[Match, ...]] = {}
    problems: list[str] = []
    given: dict[WeightPlace, tuple[str, np.ndarray[Any, Any]]] = {}
    for part, weights in stored.items():
        tensors = list(weights)
        found = match_weights(tensors, originals)
        matches[part] = found.found
        low = {one.name for one in tensors if one.form != FLOAT32 and one.values.size > 1}
        problems += [
            f"{part}: no weight of the model is like {n}" for n in found.unmatched if n in low
        ]
        problems += [f"{part}: several weights are like {n}" for n in found.ambiguous if n in low]
        for match in found.found:
            if match.stored.form == FLOAT32:
                continue
            values = match.of(match.stored.values)
            for place in _chosen(match, found.found):
                first = given.setdefault(place, (part, values))
                if first[1] is not values and not np.array_equal(first[1], values):
                    problems.append(f"{first[0]} and {part} store {place.name} with other values")
    for place, (_, values) in given.items():
        places[place].replace(values)
    return Carried(model=carrying, matches=matches, problems=tuple(dict.fromkeys(problems)))


def _chosen(match: Match, others: Iterable[Match]) -> tuple[WeightPlace, ...]:
    """Return the places that a stored tensor is for.

    If a file stores a shared weight twice, such as an embedding that is the output layer too, the
    tensor in the order of the model's is looked up in, and the transposed one multiplies.
    """
    rivals = [
        other for other in others if other is not match and set(other.places) & set(match.places)
    ]
    if not any(other.is_transposed != match.is_transposed for other in rivals):
        return match.places
    return tuple(place for place in match.places if place.looks_up != match.is_transposed)
