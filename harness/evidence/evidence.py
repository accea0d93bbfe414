"""Everything that requirements look at for one cell, computed when first asked for."""

from __future__ import annotations

import functools
from collections import OrderedDict
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from harness.evidence.sides import Example, PartEvidence, TogetherEvidence

if TYPE_CHECKING:
    from torch import nn

    from harness.configs.base import OnnxConfig
    from harness.exporters import Artifact, Exporter


@dataclass(slots=True)
class Source:
    """Where the files of a cell come from: an exporter that has yet to run, or files given."""

    exporter: Exporter | None = None
    opset: int | None = None
    directory: Path | None = None
    files: OrderedDict[str, Path] = field(default_factory=OrderedDict)


class Evidence:
    """The model, the description and the files of one cell.

    `is_own_export` tells whether the files come from one of our exporters with our description,
    so that order and the text of symbolic dims are judged too.
    """

    def __init__(self, *, model: nn.Module, config: OnnxConfig, source: Source) -> None:
        self.model = model
        self.config = config
        self.source = source
        parts = {stem: PartEvidence(self, stem, part) for stem, part in config.parts.items()}
        self.parts = list(parts.values())
        self.together = TogetherEvidence(self, parts) if len(parts) > 1 else None

    @property
    def is_own_export(self) -> bool:
        return self.source.exporter is not None

    @property
    def first_example(self) -> Example:
        """The smallest corner, by which dtypes and ranks are known before anything is exported."""
        return Example.of(self.config.axis_space.corners()[0], 0)

    @functools.cached_property
    def artifact(self) -> Artifact:
        """Run the exporter, once. The reference has been called before, so that nothing an
        exporter leaves behind can touch it unseen. Raises what the exporter raises."""
        source = self.source
        assert source.exporter is not None
        assert source.opset is not None
        assert source.directory is not None
        return source.exporter.export(self.model, self.config, source.opset, source.directory)

    @property
    def files(self) -> OrderedDict[str, Path]:
        """File stem -> path."""
        return self.artifact.parts if self.is_own_export else self.source.files
