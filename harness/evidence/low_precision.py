"""Evidence about files whose weights or kernels are not float32: their float twins as well."""

from __future__ import annotations

import functools
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from harness.evidence.carried import Carried, carry
from harness.evidence.evidence import Evidence
from harness.evidence.file_notes import explain_half_precision, explain_quantised_operators
from harness.evidence.onnx_file import parse_onnx

if TYPE_CHECKING:
    from collections import OrderedDict

    from harness.evidence.example import Example
    from harness.evidence.twin import Twin


def is_low_precision(files: Mapping[str, Path]) -> bool:
    """Whether a file has weights, inputs, outputs or operators that are not float32's."""
    models = (parse_onnx(path) for path in files.values() if path.is_file())
    return any(explain_quantised_operators(m) or explain_half_precision(m) for m in models)


class LowPrecisionEvidence(Evidence):
    """The files of `whole` as they are, with their float twins, written to `directory`.

    The model is the original one, in float32. Losses are reported on `examples`; `min_top1` is the
    least share of equal choices that the user accepts, None if any.
    """

    def __init__(
        self,
        whole: Evidence,
        directory: Path,
        *,
        examples: Sequence[Example],
        min_top1: float | None = None,
    ) -> None:
        super().__init__(
            model=whole.model,
            config=whole.config,
            source=whole.files.source,
            open_sessions=whole.subject.open_sessions,
        )
        self.examples = examples
        self.min_top1 = min_top1
        self._directory = directory

    @functools.cached_property
    def twins(self) -> Mapping[str, Twin]:
        """Part -> float twin of its file."""
        from harness.evidence.twin import make_twin

        names = [name for name, _ in self.model.named_parameters()]
        return {
            part.stem: make_twin(
                part.file.loadable_path(),
                self._directory / f"{part.stem}.onnx",
                parameters=names,
            )
            for part in self.parts
        }

    @property
    def forms(self) -> list[str]:
        """The forms in which the files store weights; empty before the twins are made."""
        twins: Mapping[str, Twin] = self.__dict__.get("twins", {})
        return sorted({weight.form for twin in twins.values() for weight in twin.weights})

    @functools.cached_property
    def carried(self) -> Carried:
        """Eager PyTorch with the weights that the files store."""
        return carry(self.model, {stem: twin.weights for stem, twin in self.twins.items()})

    def twin_files(self) -> OrderedDict[str, Path]:
        """Return part -> path of the float twin."""
        from collections import OrderedDict

        return OrderedDict((stem, twin.path) for stem, twin in self.twins.items())
