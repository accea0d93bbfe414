"""Everything that requirements look at for one cell, computed when first asked for."""

from __future__ import annotations

import contextlib
import copy
import functools
from collections import OrderedDict
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from harness.errors import HarnessError
from harness.evidence.decoding import Decoding
from harness.evidence.facts import Facts
from harness.evidence.session import OPTIMISED, Execution
from harness.evidence.sides import EagerError, Example, PartEvidence, Sides, TogetherEvidence

if TYPE_CHECKING:
    from torch import nn

    from harness.configs.base import OnnxConfig
    from harness.exporters import Artifact, Exporter


@dataclass(slots=True)
class Source:
    """Where the files of a cell come from: an exporter that has yet to run, or files given.

    `alone` is the exporter without the work that it shares, where both are to be compared.
    """

    exporter: Exporter | None = None
    alone: Exporter | None = None
    opset: int | None = None
    directory: Path | None = None
    files: OrderedDict[str, Path] = field(default_factory=OrderedDict)


class Evidence:
    """The model, the description and the files of one cell.

    `is_own_export` tells whether the files come from one of our exporters with our description,
    so that order and the text of symbolic dims are judged too. `execution` is how the files run: as
    their users do, unless it is asked who makes a difference. `facts` keep what follows from the
    model and the description alone.
    """

    def __init__(
        self,
        *,
        model: nn.Module,
        config: OnnxConfig,
        source: Source,
        execution: Execution = OPTIMISED,
        facts: Facts | None = None,
    ) -> None:
        self.model = model
        self.config = config
        self.source = source
        self.execution = execution
        self.facts = facts or Facts()
        parts = {stem: PartEvidence(self, stem, part) for stem, part in config.parts.items()}
        self.parts = list(parts.values())
        self.together = TogetherEvidence(self, parts) if len(parts) > 1 else None

    @property
    def sides(self) -> list[Sides]:
        """Each part, then all of them together where they are several."""
        return [*self.parts, *([self.together] if self.together else [])]

    @property
    def is_own_export(self) -> bool:
        return self.source.exporter is not None

    @property
    def first_example(self) -> Example:
        """The smallest corner, by which dtypes and ranks are known before anything is exported."""
        return Example.of(self.config.axis_space.corners()[0], 0)

    def why_no_reference(self) -> str | None:
        """Why eager PyTorch is nothing to compare with: it contradicts itself on the same feed.

        To be asked before an exporter runs. A feed that it refuses is for a requirement to tell.
        """
        for part in self.parts:
            with contextlib.suppress(EagerError, HarnessError):
                first = part.reference(self.first_example)
                again = part.eager(part.feed(self.first_example))
                for name in (n for n in first if first[n].tobytes() != again[n].tobytes()):
                    return (
                        f"eager PyTorch gives other values of {name} when it is called again on "
                        f"the same inputs ({self.first_example}), so it is no reference"
                    )
        return None

    @functools.cached_property
    def artifact(self) -> Artifact:
        """Run the exporter, once. The reference has been called before, so that nothing an
        exporter leaves behind can touch it unseen. Raises what the exporter raises."""
        return self._export(self.config, "")

    def export_again(self, config: OnnxConfig) -> Artifact:
        """Run the exporter once more, by another description, into a folder of its own. Raises
        what the exporter raises."""
        return self._export(config, "again")

    def export_alone(self) -> Artifact | None:
        """Run the exporter without shared work, into a folder of its own; None where that is not
        asked for. Raises what the exporter raises."""
        alone = self.source.alone
        return None if alone is None else self._export(self.config, "alone", by=alone)

    def _export(self, config: OnnxConfig, folder: str, by: Exporter | None = None) -> Artifact:
        source, exporter = self.source, by or self.source.exporter
        assert exporter is not None
        assert source.opset is not None
        assert source.directory is not None
        return exporter.export(self.model, config, source.opset, source.directory / folder)

    @functools.cached_property
    def other_attention(self) -> nn.Module | None:
        """The model with the other attention implementation, sdpa or eager, on the same weights;
        None where it has no choice."""
        from harness.exporters._attention import with_attention
        from harness.exporters._wrapper import export_copy

        own = getattr(getattr(self.model, "config", None), "_attn_implementation", None)
        return with_attention(export_copy(self.model), "eager" if own == "sdpa" else "sdpa")

    @functools.cached_property
    def in_float64(self) -> nn.Module:
        """A copy in double precision, whose rounding is nothing beside that of float32.

        Experts take turns in it, since the grouped product of all at once knows no such numbers.
        """
        model: Any = copy.deepcopy(self.model).double()
        if hasattr(model, "set_experts_implementation"):
            model.set_experts_implementation("eager")
        widened: nn.Module = model
        return widened

    def nudged(self, seed: int) -> nn.Module:
        """A copy each of whose weights is one of the two float32 numbers next to it, as `seed`
        draws."""
        import torch

        generator = torch.Generator().manual_seed(seed)
        model = copy.deepcopy(self.model)
        with torch.no_grad():
            for tensor in (*model.parameters(), *model.buffers()):
                if tensor.is_floating_point():
                    is_up = torch.rand(tensor.shape, generator=generator) < 0.5
                    beyond = torch.where(is_up, torch.inf, -torch.inf).to(tensor)
                    tensor.copy_(torch.nextafter(tensor, beyond))
        return model

    @functools.cached_property
    def decoding(self) -> Decoding:
        """The files as generation runs them, where they continue from a cache."""
        return Decoding(self)

    @property
    def files(self) -> OrderedDict[str, Path]:
        """File stem -> path."""
        self.facts.refuse_files()
        return self.artifact.parts if self.is_own_export else self.source.files

    def under(self, execution: Execution) -> Evidence:
        """The same files, run in another way. Nothing of it is computed yet."""
        source = Source(files=self.files)
        return Evidence(
            model=self.model,
            config=self.config,
            source=source,
            execution=execution,
            facts=self.facts,
        )
