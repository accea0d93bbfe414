"""Everything that requirements examine for one cell, computed at the first request."""

from __future__ import annotations

import contextlib
from pathlib import Path
from typing import TYPE_CHECKING

from harness.errors import HarnessError
from harness.evidence.cell_files import CellFiles, Source
from harness.evidence.execution import OPTIMISED
from harness.evidence.facts import Facts
from harness.evidence.model_copies import ModelCopies
from harness.evidence.open_sessions import OpenSessions
from harness.evidence.reference import EagerError
from harness.evidence.sides import PartEvidence, Sides, TogetherEvidence
from harness.evidence.subject import Subject

if TYPE_CHECKING:
    from torch import nn

    from harness.configs.base import OnnxConfig


class Evidence:
    """The parts of one cell, and what they share (`subject`).

    `judges_description` is true if the model is the tiny model of the description: what is wrong in
    the description is then a failure too. Users of a description cannot mend it, so their files are
    not judged by it.
    """

    def __init__(
        self,
        *,
        model: nn.Module,
        config: OnnxConfig,
        source: Source,
        facts: Facts | None = None,
        open_sessions: OpenSessions | None = None,
        judges_description: bool = False,
    ) -> None:
        facts = facts or Facts()
        self.judges_description = judges_description
        self.subject = Subject(
            config=config,
            copies=ModelCopies(model),
            files=CellFiles(model, config, source, check_allowed=facts.check_files_allowed),
            facts=facts,
            open_sessions=open_sessions or OpenSessions(),
            execution=OPTIMISED,
        )
        parts = [PartEvidence(self.subject, stem, part) for stem, part in config.parts.items()]
        self.parts = parts
        self.together = TogetherEvidence(self.subject, parts) if len(parts) > 1 else None

    @property
    def config(self) -> OnnxConfig:
        return self.subject.config

    @property
    def model(self) -> nn.Module:
        return self.subject.model

    @property
    def files(self) -> CellFiles:
        return self.subject.files

    @property
    def sides(self) -> list[Sides]:
        """The parts of the cell, in order; the last of several is their combined run."""
        return [*self.parts, *([self.together] if self.together else [])]

    @property
    def files_once(self) -> list[PartEvidence]:
        """One part for each file: a merged decoder is the file of two."""
        once: dict[Path, PartEvidence] = {}
        for part in self.parts:
            once.setdefault(part.path, part)
        return list(once.values())

    @property
    def whole(self) -> Sides:
        """All files of the cell: its only part, or the combined run of several."""
        return self.sides[-1]

    def why_no_reference(self) -> str | None:
        """Return why eager PyTorch cannot be the reference: two calls on one feed give different
        outputs. None if they are equal.

        Call this before an exporter runs. A feed that eager refuses is ignored here; a requirement
        reports it.
        """
        example = self.subject.first_example
        for part in self.parts:
            with contextlib.suppress(EagerError, HarnessError):
                first, again = part.reference(example), part.eager(part.feed(example))
                for name in (n for n in first if first[n].tobytes() != again[n].tobytes()):
                    return (
                        f"eager PyTorch: got different values of {name} from two calls on the same "
                        f"inputs ({example}), expected equal ones; it cannot be the reference"
                    )
        return None
