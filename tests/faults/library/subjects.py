"""The architectures into which faults are injected, and one correct export of each."""

from __future__ import annotations

import functools
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from filelock import FileLock
from torch import nn

from harness import LlamaOnnxConfig, OnnxConfig, TasksManager, exporters, register
from harness.configs import plugins
from harness.evidence.fixtures import TinyModel
from harness.evidence.models import tiny_model
from harness.exporters import get_exporter

FIXTURES = Path(__file__).parents[1] / "fixtures"
GENERATION = "text-generation-with-past"


@dataclass(frozen=True, slots=True)
class Subject:
    """An architecture, a task, the opset of the files, and the variant of the tiny model."""

    architecture: str
    task: str
    opset: int = 18
    variant: str = ""

    def __str__(self) -> str:
        return f"{TinyModel(self.architecture, self.variant)}/{self.task}"


BERT = Subject("bert", "text-classification")
GPT2 = Subject("gpt2", GENERATION)
LLAMA = Subject("llama", GENERATION)
MISTRAL = Subject("mistral", GENERATION)
WIDE_WINDOW = Subject("mistral", GENERATION, variant="wide-window")
MIXTRAL = Subject("mixtral", GENERATION)
T5 = Subject("t5", "text2text-generation-with-past")
VIT = Subject("vit", "image-classification")
WHISPER = Subject("whisper", "automatic-speech-recognition-with-past")
CLIP = Subject("clip", "feature-extraction")
SWIN = Subject("swin", "feature-extraction")
DETR = Subject("detr", "object-detection")
DINOV2 = Subject("dinov2", "feature-extraction")
RT_DETR = Subject("rt_detr", "object-detection")
SEGFORMER = Subject("segformer", "semantic-segmentation")
LONGROPE = Subject("phi3", GENERATION, variant="longrope")
DYNAMIC = Subject("llama", GENERATION, variant="dynamic")


class ExpertsOnnxConfig(LlamaOnnxConfig):
    """A mixture of experts, exported with the batched implementation.

    The default implementation cannot be converted. The implementation that loops over experts
    keeps only the experts that the traced tokens chose.
    """

    def patch_model_for_export(self, model: nn.Module) -> nn.Module:
        patched: Any = model
        patched.set_experts_implementation("batched_mm")
        return model


def register_more() -> None:
    """Register mistral (a window) and mixtral (experts) with the descriptions of these tests."""
    TasksManager.architectures()
    plugins.register_fixtures(FIXTURES)
    register(MISTRAL.architecture, tasks=[MISTRAL.task])(LlamaOnnxConfig)
    register(MIXTRAL.architecture, tasks=[MIXTRAL.task])(ExpertsOnnxConfig)


@contextmanager
def more_architectures() -> Iterator[None]:
    """Call `register_more` for the block; afterwards, restore all registrations."""
    TasksManager.architectures()
    registries: tuple[dict[str, Any], ...] = (
        TasksManager._SUPPORTED_MODEL_TYPE,
        exporters._registered,
    )
    before = [dict(registry) for registry in registries]
    folders = list(plugins._fixture_directories)
    try:
        register_more()
        yield
    finally:
        plugins._fixture_directories[:] = folders
        for registry, content in zip(registries, before, strict=True):
            registry.clear()
            registry.update(content)


class Bench:
    """Models, descriptions and correct files of subjects, each made once.

    Several processes may share the files in `folder`.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    @functools.cache  # noqa: B019 - a bench lives as long as the process
    def model(self, subject: Subject) -> Any:
        """Return the tiny model; do not change it."""
        with more_architectures():
            return tiny_model(subject.architecture, subject.task, subject.variant)

    @functools.cache  # noqa: B019
    def config(self, subject: Subject) -> OnnxConfig:
        with more_architectures():
            model = self.model(subject)
            find = TasksManager.get_exporter_config_constructor
            return find("onnx", model, task=subject.task)(model.config)

    def files(self, subject: Subject) -> Path:
        """Return the folder of a correct TorchScript export; do not edit it."""
        name = f"{subject}-{subject.opset}".replace("/", "-")
        folder, done = self._folder / name, self._folder / f"{name}.done"
        with FileLock(f"{folder}.lock"):
            if not done.exists():
                exporter = get_exporter("torchscript")
                exporter.export(self.model(subject), self.config(subject), subject.opset, folder)
                done.touch()
        return folder

    @contextmanager
    def scratch(self) -> Iterator[Path]:
        """Yield an empty folder that exists only inside the block."""
        with tempfile.TemporaryDirectory(prefix="scratch-", dir=self._folder) as directory:
            yield Path(directory)
