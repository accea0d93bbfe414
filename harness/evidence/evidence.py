"""Everything that requirements examine for one cell, computed at the first request."""

from __future__ import annotations

import contextlib
import copy
import functools
from collections import OrderedDict
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from harness.errors import HarnessError
from harness.evidence.byte_cache import ByteCache
from harness.evidence.decoding import Decoding
from harness.evidence.facts import Facts
from harness.evidence.float64 import float64_copy
from harness.evidence.open_sessions import OpenSessions
from harness.evidence.session import OPTIMISED, Execution
from harness.evidence.sides import EagerError, Example, PartEvidence, Sides, TogetherEvidence

if TYPE_CHECKING:
    from torch import nn

    from harness.configs.base import OnnxConfig
    from harness.exporters import Artifact, Exporter


LARGE_MODEL = 20_000_000
"""From this number of parameters on, a call of the model takes more than a moment."""


@dataclass(slots=True)
class Source:
    """The source of a cell's files: an exporter that has not run yet, or given files.

    `unshared_exporter` is the same exporter without shared work, set only if the exports with and
    without it are to be compared. `unsupported` names given files of a form that is not supported
    and could stand for a missing part.
    """

    exporter: Exporter | None = None
    unshared_exporter: Exporter | None = None
    opset: int | None = None
    directory: Path | None = None
    files: OrderedDict[str, Path] = field(default_factory=OrderedDict)
    unsupported: str = ""


class Evidence:
    """The model, the description and the files of one cell.

    `is_own_export` is true if one of the harness's exporters made the files from this description;
    their order and the text of symbolic dims are judged too. `judges_description` is true if the
    model is the tiny model of the description: what is wrong in the description is then a failure
    too. Users of a description cannot mend it, so their files are not judged by it. `execution`
    runs the files: ONNX Runtime with all optimisations, or another execution to find the cause of a
    failure. `facts` caches values that depend on the model and the description alone.
    """

    def __init__(
        self,
        *,
        model: nn.Module,
        config: OnnxConfig,
        source: Source,
        execution: Execution = OPTIMISED,
        facts: Facts | None = None,
        open_sessions: OpenSessions | None = None,
        judges_description: bool = False,
    ) -> None:
        self.model = model
        self.config = config
        self.source = source
        self.execution = execution
        self.facts = facts or Facts()
        self.open_sessions = open_sessions or OpenSessions()
        self.candidates = ByteCache()  # one for all parts: a limit for each would add up
        self.judges_description = judges_description
        self._perturbed: tuple[int, nn.Module] | None = None
        parts = {stem: PartEvidence(self, stem, part) for stem, part in config.parts.items()}
        self.parts = list(parts.values())
        self.together = TogetherEvidence(self, parts) if len(parts) > 1 else None

    @property
    def sides(self) -> list[Sides]:
        """The parts of the cell, in order; the last of several is their combined run."""
        return [*self.parts, *([self.together] if self.together else [])]

    @property
    def is_own_export(self) -> bool:
        return self.source.exporter is not None

    @property
    def first_example(self) -> Example:
        """The smallest corner, which gives dtypes and ranks before anything is exported."""
        return Example.of(self.config.axis_space.corners()[0], 0)

    def why_no_reference(self) -> str | None:
        """Return why eager PyTorch cannot be the reference: two calls on one feed give different
        outputs. None if they are equal.

        Call this before an exporter runs. A feed that eager refuses is ignored here; a requirement
        reports it.
        """
        for part in self.parts:
            with contextlib.suppress(EagerError, HarnessError):
                first = part.reference(self.first_example)
                again = part.eager(part.feed(self.first_example))
                for name in (n for n in first if first[n].tobytes() != again[n].tobytes()):
                    return (
                        f"eager PyTorch: got different values of {name} from two calls on the same "
                        f"inputs ({self.first_example}), expected equal ones; it cannot be the "
                        "reference"
                    )
        return None

    @functools.cached_property
    def artifact(self) -> Artifact:
        """The exporter's artifact; the exporter runs once, at the first request.

        The reference is called before, so that side effects of the exporter on the model are
        noticed. Raises what the exporter raises.
        """
        return self._export(self.config, "")

    def export_again(self, config: OnnxConfig) -> Artifact:
        """Run the exporter again with another description, into a separate folder.

        Raises what the exporter raises.
        """
        return self._export(config, "again")

    def export_unshared(self) -> Artifact | None:
        """Run the exporter without shared work, into a separate folder.

        None if no comparison is planned. Raises what the exporter raises.
        """
        exporter = self.source.unshared_exporter
        return None if exporter is None else self._export(self.config, "alone", by=exporter)

    def _export(self, config: OnnxConfig, folder: str, by: Exporter | None = None) -> Artifact:
        source, exporter = self.source, by or self.source.exporter
        assert exporter is not None
        assert source.opset is not None
        assert source.directory is not None
        return exporter.export(self.model, config, source.opset, source.directory / folder)

    @functools.cached_property
    def is_large(self) -> bool:
        """Whether the model has so many parameters that each of its calls takes long."""
        parameters: int = sum(tensor.numel() for tensor in self.model.parameters())
        return parameters >= LARGE_MODEL

    @functools.cached_property
    def other_attention(self) -> nn.Module | None:
        """The model with the other attention implementation, sdpa or eager, on the same weights;
        None if it has only one."""
        from harness.exporters._attention import with_attention
        from harness.exporters._wrapper import export_copy

        own = getattr(getattr(self.model, "config", None), "_attn_implementation", None)
        return with_attention(export_copy(self.model), "eager" if own == "sdpa" else "sdpa")

    @functools.cached_property
    def float64_model(self) -> nn.Module:
        """A copy of the model in float64, whose rounding is negligible compared with float32's."""
        return float64_copy(self.model)

    def perturbed_model(self, seed: int) -> nn.Module:
        """Return a copy of the model with each weight moved to the next larger or smaller float32.

        `seed` draws the directions. The copy of the last seed is kept: a decoding calls it often.
        """
        if self._perturbed is None or self._perturbed[0] != seed:
            self._perturbed = (seed, self._make_perturbed(seed))
        return self._perturbed[1]

    def _make_perturbed(self, seed: int) -> nn.Module:
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
        """The files run as generation does; for models with a cache only."""
        return Decoding(self)

    @property
    def files(self) -> OrderedDict[str, Path]:
        """File stem -> path."""
        self.facts.check_files_allowed()
        return self.artifact.parts if self.is_own_export else self.source.files

    @property
    def existing_files(self) -> OrderedDict[str, Path]:
        """File stem -> path, of the files that exist now: no exporter is called for them."""
        exported: Artifact | None = self.__dict__.get("artifact")
        return self.source.files if exported is None else exported.parts

    def under(self, execution: Execution) -> Evidence:
        """Return evidence of the same files, run by another execution; no output is kept."""
        source = Source(files=self.files)
        return Evidence(
            model=self.model,
            config=self.config,
            source=source,
            execution=execution,
            facts=self.facts,
            open_sessions=self.open_sessions,
            judges_description=self.judges_description,
        )
