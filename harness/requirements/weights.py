"""`weights`: nothing is stored twice, and what is stored beside the file is there and inside."""

from __future__ import annotations

import hashlib
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from itertools import chain
from typing import TYPE_CHECKING, Any

from harness.evidence.tensors import StoredTensor, UnreadableTensorError, stored_tensors
from harness.requirements._base import Finding, Requirement

if TYPE_CHECKING:
    import numpy as np
    import torch
    from torch import nn

    from harness.evidence.evidence import Evidence
    from harness.evidence.sides import PartEvidence

LIMIT = 1024
"""Bytes from which on a tensor counts: shapes, indices and scales are honestly repeated."""


def examine(evidence: Evidence) -> Iterator[Finding]:
    """Nothing is read before it is known that all of it may be."""
    for part in evidence.parts:
        for problem in part.external_data_problems:
            yield Finding(message=problem, part=part.stem, is_fatal=True)
        if not part.external_data_problems:
            yield from _of_part(part, evidence.model)
    yield from _excess(evidence)


def _of_part(part: PartEvidence, model: nn.Module) -> Iterator[Finding]:
    try:
        for tensors in _equal_tensors(part):
            allowed = max(1, _count_in_model(_values(tensors[0], part), model))
            if len(tensors) > allowed:
                yield Finding(message=_duplicates(tensors, allowed), part=part.stem)
    except UnreadableTensorError as error:
        yield Finding(message=f"weights {error}", part=part.stem, is_fatal=True)


def _equal_tensors(part: PartEvidence) -> Iterator[list[StoredTensor]]:
    """Those of one dtype, dims and content; a transposed or reshaped copy is another tensor, since
    the graph could not use one for the other."""
    alike: Mapping[object, list[StoredTensor]] = defaultdict(list)
    for tensor in stored_tensors(part.model_proto):
        if tensor.nbytes > LIMIT:
            alike[tensor.dtype, tensor.dims, len(tensor.stored)].append(tensor)
    for tensors in alike.values():
        equal: Mapping[bytes, list[StoredTensor]] = defaultdict(list)
        for tensor in tensors if len(tensors) > 1 else ():
            equal[hashlib.sha256(tensor.content(part.path.parent)).digest()].append(tensor)
        yield from (group for group in equal.values() if len(group) > 1)


def _duplicates(tensors: Sequence[StoredTensor], allowed: int) -> str:
    first = tensors[0]
    names = ", ".join(sorted(tensor.name for tensor in tensors)[:4])
    more = f" and {len(tensors) - 4} more" if len(tensors) > 4 else ""
    return (
        f"weights {names}{more}: got {len(tensors)} that are equal byte for byte, {first.nbytes} "
        f"bytes each ({first.dtype}, {' x '.join(map(str, first.dims))}), expected {allowed}"
    )


def _values(tensor: StoredTensor, part: PartEvidence) -> np.ndarray[Any, Any] | None:
    """The values of a dense tensor in ascending order; None for what holds no numbers."""
    import numpy as np
    from onnx import helper

    proto = tensor.stored[0]
    if len(tensor.stored) > 1 or proto.data_type == proto.STRING:
        return None
    dtype = helper.tensor_dtype_to_np_dtype(proto.data_type)
    return np.sort(np.frombuffer(tensor.content(part.path.parent), dtype).astype(np.float64))


def _count_in_model(values: np.ndarray[Any, Any] | None, model: nn.Module) -> int:
    """How many tensors of the model hold these values, in whatever layout.

    Layers that were not trained yet are equal without being tied, so their weights are honestly
    equal in the file. Constant ones, such as biases of zeros, may be cut or joined on the way: as
    many are honest as the model's own elements of that value fill.
    """
    if values is None:
        return 0
    tensors = _tensors(model)
    if values[0] == values[-1]:
        elements = sum(int(t.numel()) for t in tensors if bool((t == values[0]).all()))
        return elements // int(values.size)
    return sum(_holds(tensor, values) for tensor in tensors)


def _holds(tensor: torch.Tensor, values: np.ndarray[Any, Any]) -> bool:
    import numpy as np

    if tensor.numel() != values.size or float(tensor.min()) != values[0]:
        return False
    own = tensor.double().flatten().sort().values.cpu().numpy()
    return np.array_equal(own, values)


def _tensors(model: nn.Module) -> list[torch.Tensor]:
    """Parameters and buffers, tied ones once."""
    owned = (tensor.detach() for tensor in chain(model.parameters(), model.buffers()))
    return list({(t.data_ptr(), t.shape, t.stride()): t for t in owned if t.numel()}.values())


def _excess(evidence: Evidence) -> Iterator[Finding]:
    """What the files store beyond the model, which tells of folded or transposed copies."""
    stored = [t.nbytes for part in evidence.parts for t in stored_tensors(part.model_proto)]
    own = sum(tensor.numel() * tensor.element_size() for tensor in _tensors(evidence.model))
    if sum(stored) > own + LIMIT:
        message = (
            f"weights: got {sum(stored)} bytes, {sum(stored) - own} more than the {own} of the "
            "model's parameters and buffers; reported, not judged"
        )
        yield Finding(message=message, is_note=True)


REQUIREMENT = Requirement(
    id="weights",
    rank=60,
    proves="no weight over 1 KiB is stored twice, and external data is all there, in the file's "
    "folder",
    fails_when="a weight over 1 KiB equals another byte for byte where the model's own do not, or "
    "external data has an absolute, escaping, missing or too short location",
    examine=examine,
)
