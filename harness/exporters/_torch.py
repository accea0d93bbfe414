"""Base classes of the exporters that run in this process.

They check the opset, copy the model, export each part silently and write only complete files.
"""

from __future__ import annotations

import functools
import shutil
import tempfile
from abc import ABC, abstractmethod
from collections import OrderedDict
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from harness.errors import ExporterError, HarnessError, UnsupportedOpsetError
from harness.exporters import Artifact, exporters_that_honour, why_not_honoured
from harness.exporters._logged import logged_errors

if TYPE_CHECKING:
    import torch
    from torch import nn

    from harness.configs.base import OnnxConfig
    from harness.configs.feed_generators import Tensors
    from harness.exporters._wrapper import FlatModel


@dataclass(frozen=True, slots=True)
class Target:
    """The file that an exporter writes: its description, its opset and its path."""

    config: OnnxConfig
    opset: int
    path: Path


class InProcessExporter(ABC):
    """An exporter that runs in this process, on a structural copy of the model."""

    name: str

    @functools.cached_property
    def opsets(self) -> tuple[int, ...]:
        """Opsets honoured with the installed versions, probed once."""
        from harness.exporters._probe import probed_opsets

        return probed_opsets(self.name, self._write_probe)

    def export(self, model: nn.Module, config: OnnxConfig, opset: int, output: Path) -> Artifact:
        """Write every part at `opset`; see `harness.exporters.Exporter`."""
        reason = why_not_honoured(self, opset)
        if reason is not None:
            others = ", ".join(exporters_that_honour(opset)) or "none"
            raise UnsupportedOpsetError(f"{reason}; exporters that honour {opset}: {others}")
        output.mkdir(parents=True, exist_ok=True)
        parts = OrderedDict((stem, output / f"{stem}.onnx") for stem in config.parts)
        logged: dict[str, list[str]] = {}
        for stem, part in config.parts.items():
            threshold = config.external_data_threshold
            with logged_errors() as logged[stem]:
                self._export_part(model, Target(part, opset, parts[stem]), threshold)
        names = {stem: (list(c.inputs), list(c.outputs)) for stem, c in config.parts.items()}
        return Artifact(parts, names, logged)

    def _export_part(self, model: nn.Module, target: Target, threshold: int | None) -> None:
        import torch

        from harness.exporters._external_data import gather_weights, move_with_weights
        from harness.exporters._garbage import collector_paused
        from harness.exporters._quiet import quiet
        from harness.exporters._wrapper import export_copy

        config, path = target.config, target.path
        device = next(model.parameters()).device
        folder = Path(tempfile.mkdtemp(prefix=f".{path.stem}-", dir=path.parent))
        try:
            with quiet(), collector_paused(), torch.no_grad():
                copied = config.patch_model_for_export(
                    self.prepare(export_copy(model), target.opset)
                )
                feed = {n: t.to(device) for n, t in config.generate_dummy_inputs().items()}
                self.write_part(copied, feed, replace(target, path=folder / path.name))
            gather_weights(folder / path.name, threshold)
            move_with_weights(folder, path)
        except HarnessError:
            raise
        except Exception as error:
            raise ExporterError(f"{type(error).__name__}: {error}") from error
        finally:
            shutil.rmtree(folder, ignore_errors=True)

    def _write_probe(self, opset: int, path: Path) -> None:
        from harness.exporters._probe import PROBE_CONFIG, probe_model
        from harness.exporters._quiet import quiet

        with quiet():
            feed = PROBE_CONFIG.generate_dummy_inputs()
            self.write_part(probe_model(), feed, Target(PROBE_CONFIG, opset, path))

    def prepare(self, model: nn.Module, opset: int) -> nn.Module:
        """Return the copy of the model, made exportable at this opset without changing results."""
        return model

    @abstractmethod
    def write_part(self, model: nn.Module, feed: Tensors, target: Target) -> None:
        """Write one file with the declared names and axis names; `feed` has the export sizes."""


class TorchExporter(InProcessExporter):
    """An exporter of torch.onnx, which traces the flat-signature wrapper `FlatModel`."""

    rewritten_rope_types: tuple[str, ...] = ()
    """Types of rotary scaling that cannot be traced as transformers writes them."""

    def prepare(self, model: nn.Module, opset: int) -> nn.Module:
        from harness.exporters._rotary import without_rotary_memory

        return without_rotary_memory(model, self.rewritten_rope_types)

    def write_part(self, model: nn.Module, feed: Tensors, target: Target) -> None:
        from harness.exporters._wrapper import FlatModel

        self.write(FlatModel(model, target.config), tuple(feed.values()), target)

    @abstractmethod
    def write(self, model: FlatModel, tensors: tuple[torch.Tensor, ...], target: Target) -> None:
        """Write one file with the declared names and axis names."""
