"""One ONNX file of a cell, and whether it may be loaded."""

from __future__ import annotations

import functools
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from harness.evidence.onnx_file import parse_onnx
from harness.evidence.session import CandidateError
from harness.evidence.tensors import external_data_problems

if TYPE_CHECKING:
    import onnx


class PartFile:
    """The file of a part. `locate` returns its path, or None if there is no file of the part."""

    def __init__(self, stem: str, locate: Callable[[], Path | None]) -> None:
        self.stem = stem
        self._locate = locate

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
        """Return the bytes of the file and of its external data, which exporters name after it.

        0 if there is no file, as with eager PyTorch in place of the files.
        """
        path = self._locate()
        if path is None:
            return 0
        return sum(file.stat().st_size for file in path.parent.glob(f"{path.stem}*"))
