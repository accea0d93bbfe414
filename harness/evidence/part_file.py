"""The ONNX file of a part, what the part reads and returns of it, and whether it may be loaded."""

from __future__ import annotations

import functools
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from harness.evidence.merged_decoder import USE_CACHE, MergedDecoder
from harness.evidence.onnx_file import graph_inputs, graph_outputs, parse_onnx
from harness.evidence.session import CandidateError
from harness.evidence.tensors import bytes_on_disk, external_data_problems

if TYPE_CHECKING:
    import onnx

    from harness.evidence.onnx_file import Value
    from harness.evidence.session import Run


class PartFile:
    """The file of a part. `locate` returns its path, or None if there is no file of the part.

    `if_merged` says how the part is run if the file turns out to be a merged decoder.
    """

    def __init__(
        self, stem: str, locate: Callable[[], Path | None], *, if_merged: MergedDecoder
    ) -> None:
        self.stem = stem
        self._locate = locate
        self._if_merged = if_merged

    @property
    def path(self) -> Path:
        path = self._locate()
        assert path is not None, f"{self.stem}: the cell has no such file"
        return path

    @functools.cached_property
    def model_proto(self) -> onnx.ModelProto:
        """The parsed file, without its external data."""
        return parse_onnx(self.path)

    @functools.cached_property
    def merged(self) -> MergedDecoder | None:
        """How the part is run in a merged decoder; None if the file is not merged."""
        return self._if_merged if USE_CACHE in graph_inputs(self.model_proto) else None

    @property
    def inputs(self) -> Mapping[str, Value]:
        """The inputs of the file, or of the part's branch of it."""
        return self._of_part(graph_inputs(self.model_proto))

    @property
    def outputs(self) -> Mapping[str, Value]:
        """The outputs of the file, or of the part's branch of it."""
        return self._of_part(graph_outputs(self.model_proto))

    def _of_part(self, values: Mapping[str, Value]) -> Mapping[str, Value]:
        return values if self.merged is None else self.merged.without_others(values)

    def run_part(self, run: Run) -> Run:
        """Return the run of the part, from the run of the whole file."""
        if self.merged is None:
            return run
        return self.merged.run_part(run, graph_inputs(self.model_proto))

    @functools.cached_property
    def external_data_problems(self) -> list[str]:
        """Reasons why the file's external data must not, or cannot, be loaded."""
        return external_data_problems(self.model_proto, self.path.parent)

    def loadable_path(self) -> Path:
        """Return the path of the file.

        Raises CandidateError if its external data lies outside the file's folder or cannot be read:
        not every version of the runtime refuses to read outside the folder.
        """
        if self.external_data_problems:
            raise CandidateError(self.external_data_problems[0])
        return self.path

    def size_on_disk(self) -> int:
        """Return the bytes of the file and of its external data.

        0 if there is no file, as with eager PyTorch in place of the files.
        """
        path = self._locate()
        return 0 if path is None else bytes_on_disk(path)
