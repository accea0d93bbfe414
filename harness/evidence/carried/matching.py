"""Find the weight of a model that a tensor of an ONNX file holds: by name, else by content.

Exporters keep names of some weights, and name others after nodes (`onnx::MatMul_123`). They
transpose weights of products, and optimisers join several into one tensor.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from harness.evidence.carried.places import WeightPlace
    from harness.evidence.twin import StoredWeight

Array = np.ndarray[Any, Any]

ALIKE = 0.7
ALIKE_BY_FORM = {"float32": 1e-3, "float16": 0.02, "bfloat16": 0.05}
"""Largest distance of a stored weight from the model's, as a share of its norm; codes use `ALIKE`.
The distance of two weights that have nothing in common is about 1.4, and four bits per number are
0.1 away. A constant of a graph may resemble a weight, such as a normalisation's, that is near 1."""

CLEARLY = 2.0
"""A second weight must be at least so many times as far away, or be equal to the first."""


@dataclass(frozen=True, slots=True)
class Match:
    """The places whose weight a stored tensor, or a slice of it, holds.

    `slices` says which part of the stored values that is, and `is_transposed` that their axes are
    in the reverse order. All `places` had equal values.
    """

    stored: StoredWeight
    places: tuple[WeightPlace, ...]
    is_transposed: bool
    slices: tuple[slice, ...]

    def of(self, array: Array) -> Array:
        """Return the values of an array like the stored one in the order of the model's weight."""
        part = array[self.slices].T if self.is_transposed else array[self.slices]
        return part.reshape(self.places[0].tensor.shape)


@dataclass(frozen=True, slots=True)
class Matches:
    """What was found. `unmatched` and `ambiguous` name stored tensors without a single place."""

    found: tuple[Match, ...]
    unmatched: tuple[str, ...]
    ambiguous: tuple[str, ...]


def match_weights(stored: Sequence[StoredWeight], places: Sequence[WeightPlace]) -> Matches:
    """Match stored tensors with the places of a model."""
    known = {place: place.values for place in places}
    found: list[Match] = []
    unmatched: list[str] = []
    ambiguous: list[str] = []
    for one in stored:
        values, limit = one.values, ALIKE_BY_FORM.get(one.form, ALIKE)
        named = _by_name(one.name, values, known)
        candidates = list(_candidates(values, named or known))
        best = _clearest(candidates, limit=math.inf if named else limit)
        if best:
            found.append(_match(one, best, shared=known))
        elif joined := list(_joined(one, values, known, limit=limit)):
            found += joined
        elif any(candidate.distance < limit for candidate in candidates):
            ambiguous.append(one.name)
        else:
            unmatched.append(one.name)
    return Matches(tuple(found), tuple(unmatched), tuple(ambiguous))


@dataclass(frozen=True, slots=True)
class _Candidate:
    place: WeightPlace
    values: Array
    is_transposed: bool
    distance: float
    slices: tuple[slice, ...] = ()


def _by_name(
    name: str, values: Array, known: Mapping[WeightPlace, Array]
) -> dict[WeightPlace, Array]:
    """Return the places whose name the tensor has, with or without the name of a module around."""
    return {
        place: expected
        for place, expected in known.items()
        if _is_same_name(name, place.name) and expected.size == values.size
    }


def _is_same_name(first: str, second: str) -> bool:
    longer, shorter = sorted((first, second), key=len, reverse=True)
    return longer == shorter or longer.endswith(f".{shorter}")


def _candidates(values: Array, known: Mapping[WeightPlace, Array]) -> Iterator[_Candidate]:
    """Yield the places of this shape, in either order of axes, with their distance.

    Axes of size 1 do not count.
    """
    for place, expected in known.items():
        for is_transposed in (False, True) if values.ndim > 1 else (False,):
            turned = values.T if is_transposed else values
            if turned.squeeze().shape == expected.squeeze().shape:
                distance = _distance(turned.reshape(expected.shape), expected)
                yield _Candidate(place, expected, is_transposed, distance)


def _distance(values: Array, expected: Array) -> float:
    norm = float(np.linalg.norm(expected)) or 1.0
    return float(np.linalg.norm(values - expected)) / norm


def _clearest(candidates: Sequence[_Candidate], *, limit: float) -> list[_Candidate]:
    """Return the nearest candidate with all that are equal to it; empty if none is clearly so."""
    near = sorted(candidates, key=lambda candidate: candidate.distance)
    if not near or near[0].distance >= limit:
        return []
    first, same = near[0], [near[0]]
    for other in near[1:]:
        if other.place is first.place:
            continue
        is_equal = np.array_equal(other.values, first.values)
        if is_equal and other.is_transposed == first.is_transposed:
            same.append(other)
        elif other.distance < CLEARLY * first.distance and not is_equal:
            return []
    return same


def _match(
    one: StoredWeight, same: Sequence[_Candidate], *, shared: Iterable[WeightPlace] = ()
) -> Match:
    """Return a match with equal candidates, and with the places that share their weight."""
    places = [candidate.place for candidate in same]
    tensors = {id(place.tensor) for place in places}
    places += [place for place in shared if id(place.tensor) in tensors]
    return Match(one, tuple(dict.fromkeys(places)), same[0].is_transposed, same[0].slices)


def _joined(
    one: StoredWeight, values: Array, known: Mapping[WeightPlace, Array], *, limit: float
) -> Iterator[Match]:
    """Yield the matches of a matrix that optimisers joined from several, side by side.

    Empty unless all of it is explained.
    """
    if values.ndim != 2:
        return
    for axis in (1, 0):
        if matches := _pieces(one, values, known, axis=axis, limit=limit):
            yield from matches
            return


def _pieces(
    one: StoredWeight,
    values: Array,
    known: Mapping[WeightPlace, Array],
    *,
    axis: int,
    limit: float,
) -> list[Match]:
    start, pieces = 0, list[Match]()
    while start < values.shape[axis]:
        nearest = min(
            _starting_at(values, start, known, axis=axis),
            key=lambda candidate: candidate.distance,
            default=None,
        )
        if nearest is None or nearest.distance >= limit:
            return []
        pieces.append(_match(one, [nearest]))
        start = nearest.slices[axis].stop
    return pieces if len(pieces) > 1 else []


def _starting_at(
    values: Array, start: int, known: Mapping[WeightPlace, Array], *, axis: int
) -> Iterator[_Candidate]:
    for place, expected in known.items():
        for is_transposed in (False, True):
            like = expected.T if is_transposed else expected
            if like.ndim != 2 or like.shape[1 - axis] != values.shape[1 - axis]:
                continue
            end = start + like.shape[axis]
            if end > values.shape[axis]:
                continue
            part = (slice(None), slice(start, end)) if axis else (slice(start, end), slice(None))
            distance = _distance(values[part], like)
            yield _Candidate(place, expected, is_transposed, distance, part)
