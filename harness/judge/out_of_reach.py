"""Examples for which memory ran out, and the landmarks that a record therefore did not reach."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from harness.records import Unreached

if TYPE_CHECKING:
    from harness.configs.axis_space import AxisSpace
    from harness.evidence.example import Example
    from harness.evidence.memory import OutOfMemoryError


class OutOfReach:
    """Collects the examples of one requirement for which memory ran out."""

    def __init__(self, space: AxisSpace) -> None:
        self._expressions = [e for e, _ in space.bounds]
        self._examples: list[Example] = []
        self._needs: list[str] = []

    def add(self, example: Example, error: OutOfMemoryError) -> None:
        """Note an example."""
        self._examples.append(example)
        self._needs.append(error.needs)

    @property
    def reason(self) -> str | None:
        """The number of examples and the first one, as text; None if memory never ran out."""
        if not self._examples:
            return None
        return (
            f"memory ran out for {len(self._examples)} examples, at the first for "
            f"{self._needs[0]} [{self._examples[0]}]"
        )

    def unreached(
        self, covered: Mapping[str, list[int]], bounds: Mapping[str, int]
    ) -> tuple[Unreached, ...]:
        """Return the landmarks that these examples were for, and that no other example reached.

        `covered` and `bounds` are of the record. If the model bounds no axis that went too far, the
        size that was tried is the bound.
        """
        bounded = {e.text: [e.evaluate(x.axes) for x in self._examples] for e in self._expressions}
        plain = {
            name: [example.axes[name] for example in self._examples]
            for name in (self._examples[0].axes if self._examples else ())
        }
        return self._further(bounded, covered, bounds) or self._further(plain, covered, bounds)

    def _further(
        self,
        tried: Mapping[str, list[int]],
        covered: Mapping[str, list[int]],
        bounds: Mapping[str, int],
    ) -> tuple[Unreached, ...]:
        return tuple(
            Unreached(
                landmark=name,
                bound=max(max(values), bounds.get(name, 0)),
                reached=reached,
                needs=self._needs[values.index(max(values))],
            )
            for name, values in tried.items()
            if values and max(values) > (reached := max(covered.get(name, [0])))
        )
