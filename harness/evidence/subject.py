"""What all sides of one cell share: the model, the description, the files and how they are run."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from harness.evidence.byte_cache import ByteCache
from harness.evidence.cell_files import CellFiles
from harness.evidence.example import Example
from harness.evidence.execution import Execution
from harness.evidence.facts import Facts
from harness.evidence.model_copies import ModelCopies
from harness.evidence.open_sessions import OpenSessions

if TYPE_CHECKING:
    from torch import nn

    from harness.configs.base import OnnxConfig


@dataclass(frozen=True, slots=True, kw_only=True)
class Subject:
    """The model, the description and the files of one cell.

    `execution` runs the files: ONNX Runtime with all optimisations, or another execution to find
    the cause of a failure. `facts` caches values that depend on the model and the description
    alone, `candidates` the outputs of the files.
    """

    config: OnnxConfig
    copies: ModelCopies
    files: CellFiles
    facts: Facts
    open_sessions: OpenSessions
    execution: Execution
    # One for all parts: a limit for each would add up.
    candidates: ByteCache = field(default_factory=ByteCache)

    @property
    def model(self) -> nn.Module:
        return self.copies.original

    @property
    def first_example(self) -> Example:
        """The smallest corner, which gives dtypes and ranks before anything is exported."""
        return Example.of(self.config.axis_space.corners()[0], 0)

    def under(self, execution: Execution) -> Subject:
        """Return the same files, run by another execution; no output is kept."""
        return dataclasses.replace(self, execution=execution, candidates=ByteCache())
