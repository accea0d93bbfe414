"""The files of one cell: written by an exporter at the first request, or given."""

from __future__ import annotations

import functools
from collections import OrderedDict
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from harness.evidence.merged_decoder import MergedDecoder
from harness.evidence.part_file import PartFile

if TYPE_CHECKING:
    from torch import nn

    from harness.configs.base import OnnxConfig
    from harness.exporters import Artifact, Exporter


@dataclass(slots=True)
class Source:
    """The source of a cell's files: an exporter that has not run yet, or given files.

    `unshared_exporter` is the same exporter without shared work, set only if the exports with and
    without it are to be compared. `unsupported` names given files of a form that is not supported
    and could stand for a missing part. Operators of `allowed_domains` may be used in addition to
    standard ones.
    """

    exporter: Exporter | None = None
    unshared_exporter: Exporter | None = None
    opset: int | None = None
    directory: Path | None = None
    files: OrderedDict[str, Path] = field(default_factory=OrderedDict)
    unsupported: str = ""
    allowed_domains: Sequence[str] = ()


class CellFiles:
    """The files of one cell, and further exports of the same model.

    `check_allowed` is called before each access to a file, and raises if none is allowed.
    """

    def __init__(
        self,
        model: nn.Module,
        config: OnnxConfig,
        source: Source,
        *,
        check_allowed: Callable[[], None],
    ) -> None:
        self.source = source
        self.parts = {
            stem: PartFile(stem, functools.partial(self._locate, stem), if_merged=merged)
            for stem, merged in _if_merged(config, source).items()
        }
        self._model = model
        self._config = config
        self._check_allowed = check_allowed

    @property
    def is_own_export(self) -> bool:
        """Whether one of the harness's exporters made the files from this description.

        Their order and the text of symbolic dims are judged too.
        """
        return self.source.exporter is not None

    @functools.cached_property
    def artifact(self) -> Artifact:
        """The exporter's artifact; the exporter runs once, at the first request.

        Raises what the exporter raises.
        """
        return self._export(self._config, "")

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
        return None if exporter is None else self._export(self._config, "alone", by=exporter)

    def _export(self, config: OnnxConfig, folder: str, by: Exporter | None = None) -> Artifact:
        source, exporter = self.source, by or self.source.exporter
        assert exporter is not None
        assert source.opset is not None
        assert source.directory is not None
        return exporter.export(self._model, config, source.opset, source.directory / folder)

    @property
    def paths(self) -> OrderedDict[str, Path]:
        """File stem -> path. Raises what the exporter raises."""
        self._check_allowed()
        return self.artifact.parts if self.is_own_export else self.source.files

    @property
    def existing(self) -> OrderedDict[str, Path]:
        """File stem -> path, of the files that exist now: no exporter is called for them."""
        exported: Artifact | None = self.__dict__.get("artifact")
        return self.source.files if exported is None else exported.parts

    def logged_errors(self, stem: str) -> Sequence[str]:
        """Errors that the exporter logged for a part and did not raise; none for given files."""
        return self.artifact.logged.get(stem, ()) if self.is_own_export else ()

    def _locate(self, stem: str) -> Path | None:
        return self.paths.get(stem)


def _if_merged(config: OnnxConfig, source: Source) -> dict[str, MergedDecoder]:
    """Return part -> how it is run if its file is a merged decoder, with the part beside it."""
    parts, files = config.parts, source.files
    beside = {
        stem: next((o for o in files if o != stem and files[o] == files[stem]), stem)
        for stem in files
    }
    return {
        stem: MergedDecoder(part, parts[beside.get(stem, stem)]) for stem, part in parts.items()
    }
