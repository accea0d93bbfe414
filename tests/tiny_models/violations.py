"""Violations of the rules of tiny models."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Violation:
    """One rule that a tiny model does not keep, at a setting, buffer or input."""

    rule: str
    name: str = ""
    details: str = ""
