"""`weights`: no weight is stored twice, and all external data exists in the file's folder."""

from __future__ import annotations

import hashlib
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from itertools import chain
from typing import TYPE_CHECKING, Any

from harness.evidence.tensors import StoredTensor, UnreadableTensorError, stored_tensors
from harness.requirements.shared.requirement import Finding, Requirement

if TYPE_CHECKING:
    import numpy as np
    import torch
    from torch import nn

    from harness.evidence.evidence import Evidence
    from harness.evidence.sides import PartEvidence

SIZE_LIMIT = 1024
"""Only tensors of more bytes are compared: equal shapes, indices and scales are normal."""


def examine(evidence: Evidence) -> Iterator[Finding]:
    """Check every part. External data is read only after its locations were checked."""
    for part in evidence.files_once:
        for problem in part.file.external_data_problems:
            yield Finding(message=problem, part=part.stem, is_fatal=True)
        if not part.file.external_data_problems:
            yield from _check_part(part, evidence.model)
    yield from _note_extra_bytes(evidence)


def _check_part(part: PartEvidence, model: nn.Module) -> Iterator[Finding]:
    try:
        for tensors in _equal_tensors(part):
            allowed = max(1, _count_in_model(_values(tensors[0], part), model))
            if len(tensors) > allowed:
                yield Finding(message=_duplicates(tensors, allowed), part=part.stem)
    except UnreadableTensorError as error:
        yield Finding(message=f"weights {error}", part=part.stem, is_fatal=True)


def _equal_tensors(part: PartEvidence) -> Iterator[list[StoredTensor]]:
    """Yield groups of tensors with equal dtype, dims and content.

    A transposed or reshaped copy counts as another tensor, since the graph cannot use one in place
    of the other.
    """
    alike: Mapping[object, list[StoredTensor]] = defaultdict(list)
    for tensor in stored_tensors(part.model_proto):
        if tensor.nbytes > SIZE_LIMIT:
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
    """Return the values of a tensor in ascending order; None for sparse tensors and strings."""
    import numpy as np
    from onnx import helper

    proto = tensor.stored[0]
    if len(tensor.stored) > 1 or proto.data_type == proto.STRING:
        return None
    dtype = helper.tensor_dtype_to_np_dtype(proto.data_type)
    return np.sort(np.frombuffer(tensor.content(part.path.parent), dtype).astype(np.float64))


def _count_in_model(values: np.ndarray[Any, Any] | None, model: nn.Module) -> int:
    """Return how many tensors of the model have these values, in any layout.

    Untrained layers can be equal without being tied, so equal copies in the file are correct.
    Constant tensors, such as biases of zeros, may be split or joined by the export: as many copies
    are allowed as the model has elements of that value for.
    """
    if values is None:
        return 0
    tensors = _tensors(model)
    if values[0] == values[-1]:
        elements = sum(int(t.numel()) for t in tensors if bool((t == values[0]).all()))
        return elements // int(values.size)
    return sum(_has_values(tensor, values) for tensor in tensors)


def _has_values(tensor: torch.Tensor, values: np.ndarray[Any, Any]) -> bool:
    import numpy as np

    if tensor.numel() != values.size or float(tensor.min()) != values[0]:
        return False
    own = tensor.double().flatten().sort().values.cpu().numpy()
    return np.array_equal(own, values)


def _tensors(model: nn.Module) -> list[torch.Tensor]:
    """Return parameters and buffers, each tied tensor once."""
    owned = (tensor.detach() for tensor in chain(model.parameters(), model.buffers()))
    return list({(t.data_ptr(), t.shape, t.stride()): t for t in owned if t.numel()}.values())


def _note_extra_bytes(evidence: Evidence) -> Iterator[Finding]:
    """Add a note if the files store more bytes than the model, such as transposed copies."""
    stored = [t.nbytes for part in evidence.files_once for t in stored_tensors(part.model_proto)]
    own = sum(tensor.numel() * tensor.element_size() for tensor in _tensors(evidence.model))
    if sum(stored) > own + SIZE_LIMIT:
        message = (
            f"weights: got {sum(stored)} bytes, {sum(stored) - own} more than the {own} of the "
            "model's parameters and buffers; this is a note and no failure"
        )
        yield Finding(message=message, is_note=True)


REQUIREMENT = Requirement(
    id="weights",
    rank=60,
    proves="no weight over 1 KiB is stored twice, and all external data exists in the file's "
    "folder",
    fails_when="two weights over 1 KiB are equal byte for byte although the model's are not, or "
    "the location of external data is absolute, outside the folder, missing or too short",
    examine=examine,
)
