"""Ways to run files: ONNX Runtime at a known optimisation level, or a replacement for it."""

from __future__ import annotations

import functools
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from harness.evidence import session  # tests replace what it opens

if TYPE_CHECKING:
    import onnx

    from harness.evidence.eager_part import EagerPart
    from harness.evidence.part_file import PartFile
    from harness.evidence.session import Run


class Execution(Protocol):
    """A way to run files: ONNX Runtime at some optimisation level, or a replacement for it.

    Replacements are used to find the cause of a failure.
    """

    @property
    def name(self) -> str:
        """Name of the execution in messages."""

    def open(self, file: PartFile, eager: EagerPart) -> Run:
        """Prepare the file of a part and return its run; both raise CandidateError on refusal.

        An execution may call eager PyTorch in place of the file.
        """


class Loader(Execution, Protocol):
    """An execution that can run any model, not only the files of a cell."""

    def load(self, model: onnx.ModelProto) -> Run:
        """Prepare a model that contains its weights and return its run; raises as `open` does."""


@dataclass(frozen=True, slots=True)
class Level:
    """Runs files in ONNX Runtime, with or without its graph optimisations."""

    name: str
    optimised: bool

    def open(self, file: PartFile, eager: EagerPart) -> Run:
        return file.run_part(self._run(file.loadable_path()))

    def load(self, model: onnx.ModelProto) -> Run:
        return self._run(model.SerializeToString())

    def _run(self, model: Path | bytes) -> Run:
        opened = session.open_session(model, optimised=self.optimised)
        return functools.partial(session.run_session, opened)


OPTIMISED = Level("ORT_ENABLE_ALL", optimised=True)
PLAIN = Level("ORT_DISABLE_ALL", optimised=False)
