"""The faults that the gate injects: the first of each requirement and family.

All others are injected by `make faults` and `make test-all`.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import pytest

from tests.faults.library import FAULTS, Benign, Fault
from tests.gate import full, is_sampled

BENIGN_SAMPLE = 4
"""One benign change in so many is made at the gate."""


def gate_faults() -> list[Fault]:
    """Return the first fault for each (requirement, family)."""
    first: dict[tuple[Any, ...], Fault] = {}
    for fault in FAULTS:
        if not fault.is_equivalent:
            first.setdefault((fault.refused_by[0], fault.case.family), fault)
    return list(first.values())


def parameters(faults: Iterable[Fault]) -> list[Any]:
    """Return faults as pytest parameters, all but the gate's marked `full`."""
    kept = gate_faults()
    return [pytest.param(fault, marks=() if fault in kept else full) for fault in faults]


def sampled_parameters(ones: Iterable[Fault | Benign]) -> list[Any]:
    """Return faults or benign changes as pytest parameters, all but a sample marked `full`."""
    return [
        pytest.param(one, marks=() if is_sampled(str(one), BENIGN_SAMPLE) else full) for one in ones
    ]
