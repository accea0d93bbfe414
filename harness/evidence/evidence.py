"""Everything that requirements look at for one cell, computed when first asked for."""

from __future__ import annotations

import contextlib
import functools
from collections import OrderedDict
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from harness.errors import one_line
from harness.evidence.onnx_file import parse_onnx
from harness.evidence.reference import Arrays, call_reference

if TYPE_CHECKING:
    import onnx
    import onnxruntime
    import torch
    from torch import nn

    from harness.configs.base import OnnxConfig
    from harness.exporters import Artifact, Exporter


@dataclass(frozen=True, slots=True)
class Example:
    """One drawn input: the sizes of its axes and the seed of its values."""

    sizes: tuple[tuple[str, int], ...]
    seed: int

    @classmethod
    def of(cls, sizes: dict[str, int], seed: int) -> Example:
        return cls(tuple(sorted(sizes.items())), seed)

    @property
    def axes(self) -> dict[str, int]:
        return dict(self.sizes)

    def __str__(self) -> str:
        sizes = ", ".join(f"{name}={size}" for name, size in self.sizes)
        return f"{sizes}, seed={self.seed}" if sizes else f"seed={self.seed}"


class EagerError(Exception):
    """Eager PyTorch refuses a feed that the description declares."""


class CandidateError(Exception):
    """ONNX Runtime refuses the file, or refuses to run it on a feed."""


@dataclass(slots=True)
class Source:
    """Where the files of a cell come from: an exporter that has yet to run, or files given."""

    exporter: Exporter | None = None
    opset: int | None = None
    directory: Path | None = None
    files: OrderedDict[str, Path] = field(default_factory=OrderedDict)


class PartEvidence:
    """One ONNX file of a cell beside the reference."""

    def __init__(self, owner: Evidence, stem: str, config: OnnxConfig) -> None:
        self.owner = owner
        self.stem = stem
        self.config = config
        self._references: dict[Example, Arrays] = {}
        self._candidates: dict[Example, Arrays] = {}
        self._sessions: dict[bool, onnxruntime.InferenceSession] = {}

    @property
    def path(self) -> Path:
        return self.owner.files[self.stem]

    @functools.cached_property
    def model_proto(self) -> onnx.ModelProto:
        """The file without its external data."""
        return parse_onnx(self.path)

    def feed(self, example: Example) -> dict[str, torch.Tensor]:
        """Input name -> tensor."""
        return self.config.generate_dummy_inputs(seed=example.seed, **example.axes)

    def reference(self, example: Example) -> Arrays:
        """What eager PyTorch gives; raises EagerError where it refuses the feed."""
        if example not in self._references:
            feed = self.feed(example)
            try:
                outputs = call_reference(self.owner.model, self.config, feed)
            except Exception as error:
                raise EagerError(f"{type(error).__name__}: {error}") from error
            self._references[example] = outputs
        return self._references[example]

    def forget_references(self) -> None:
        """Have the next `reference` call the model again."""
        self._references.clear()

    def session(self, *, optimised: bool = True) -> onnxruntime.InferenceSession:
        """A session by path on one thread, at ORT_ENABLE_ALL or ORT_DISABLE_ALL."""
        if optimised not in self._sessions:
            self._sessions[optimised] = open_session(self.path, optimised=optimised)
        return self._sessions[optimised]

    def candidate(self, example: Example, *, optimised: bool = True) -> Arrays:
        """What ONNX Runtime gives, by output name; raises CandidateError where it refuses."""
        if not optimised:
            return self._run(example, optimised=False)
        if example not in self._candidates:
            self._candidates[example] = self._run(example, optimised=True)
        return self._candidates[example]

    def _run(self, example: Example, *, optimised: bool) -> Arrays:
        session = self.session(optimised=optimised)
        feed = {name: tensor.numpy() for name, tensor in self.feed(example).items()}
        names = [output.name for output in session.get_outputs()]
        try:
            values: list[Any] = session.run(names, feed)
        except Exception as error:  # the runtime raises classes of its own, without a base
            raise CandidateError(one_line(error)) from error
        return dict(zip(names, values, strict=True))


class Evidence:
    """The model, the description and the files of one cell.

    `is_own_export` tells whether the files come from one of our exporters with our description,
    so that order and the text of symbolic dims are judged too.
    """

    def __init__(self, *, model: nn.Module, config: OnnxConfig, source: Source) -> None:
        self.model = model
        self.config = config
        self.source = source
        self.parts = [PartEvidence(self, stem, part) for stem, part in config.parts.items()]

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


def open_session(model: Path | bytes, *, optimised: bool) -> onnxruntime.InferenceSession:
    """Load a file, or a serialised model, in ONNX Runtime on one thread.

    Raises CandidateError where the runtime refuses it.
    """
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    options.log_severity_level = 4
    levels = onnxruntime.GraphOptimizationLevel
    options.graph_optimization_level = (
        levels.ORT_ENABLE_ALL if optimised else levels.ORT_DISABLE_ALL
    )
    source = model if isinstance(model, bytes) else str(model)
    try:
        return onnxruntime.InferenceSession(source, options, providers=["CPUExecutionProvider"])
    except Exception as error:  # see above
        raise CandidateError(one_line(error)) from error


@contextlib.contextmanager
def single_thread() -> Iterator[None]:
    """One torch thread for the length of the block: workers share the machine's cores."""
    import torch

    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(before)
