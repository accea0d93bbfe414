"""One drawn input of a cell, as a value: what it is drawn from is enough to draw it again."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Example:
    """One drawn input: the sizes of its axes and the seed of its values."""

    sizes: tuple[tuple[str, int], ...]
    seed: int

    @classmethod
    def of(cls, sizes: dict[str, int], seed: int) -> Example:
        return cls(tuple(sorted(sizes.items())), seed)

    @property
    def axes(self) -> dict[str, int]:
        return dict(self.sizes)

    def __str__(self) -> str:
        sizes = ", ".join(f"{name}={size}" for name, size in self.sizes)
        return f"{sizes}, seed={self.seed}" if sizes else f"seed={self.seed}"
