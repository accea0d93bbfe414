"""The mappings of transformers are read from its source, without importing it."""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import ClassVar

import pytest
from transformers import PatchTSMixerConfig, PatchTSMixerForPrediction

from harness import BertOnnxConfig, register
from harness.cli.task_inference import infer_task
from harness.configs.left_out import explain_unregistered, reasons_left_out
from harness.configs.task_table import TASKS, TaskClass
from harness.configs.tasks import TasksManager, supported_tasks_mapping
from harness.configs.transformers_mappings import (
    LIBRARY,
    SOURCE,
    architectures_by_task,
    classes_by_task,
    model_types,
    tasks_of_class,
)
from harness.configs.unregistered import _registered_tasks, not_registered
from harness.errors import UsageError

CALLER = """
from harness.configs.transformers_mappings import architectures_by_task
from harness.errors import HarnessError
try:
    architectures_by_task()
except HarnessError as error:
    print(error)
"""


def tasks_left(architecture: str) -> list[str]:
    return next((tasks for _, name, tasks in not_registered() if name == architecture), [])


def run_python(code: str, *, path: Path | None = None) -> str:
    """Return the output of `code` in a new process that finds packages in `path` first."""
    root = Path(__file__).resolve().parents[2]
    setup = f"import sys; sys.path[:0] = {[str(p) for p in (path, root) if p]!r}\n"
    return subprocess.run(
        [sys.executable, "-c", setup + code], capture_output=True, text=True, check=True
    ).stdout


CLASSES = sorted({one for task in TASKS.values() for one in task.classes}, key=str)
WITHOUT_AUTO_CLASS = "time-series-classification"


@pytest.mark.parametrize("one", CLASSES, ids=lambda one: one.mapping)
def test_each_auto_class_has_the_mapping_of_its_row(one: TaskClass) -> None:
    from transformers.models.auto import modeling_auto

    names = getattr(modeling_auto, one.mapping)
    mappings = {
        name: value._model_mapping._model_mapping
        for name, value in vars(modeling_auto).items()
        if name.startswith("AutoModel") and getattr(value, "_model_mapping", None) is not None
    }
    having = {name for name, mapping in mappings.items() if mapping == names}
    assert having == ({one.auto_class} if one.auto_class else set())


@pytest.mark.parametrize("task", sorted(TASKS))
def test_the_architectures_of_a_task_are_those_of_all_its_auto_classes(task: str) -> None:
    from transformers.models.auto import modeling_auto

    found: dict[str, tuple[str, ...]] = {}
    for one in TASKS[task].classes:
        names: Mapping[str, str | tuple[str, ...]] = getattr(modeling_auto, one.mapping)
        for architecture, classes in names.items():
            known = (classes,) if isinstance(classes, str) else tuple(classes)
            found.setdefault(architecture, known)
    assert classes_by_task()[task] == found


@pytest.mark.parametrize(
    ("task", "model_type", "auto_class"),
    [
        ("automatic-speech-recognition", "whisper", "AutoModelForSpeechSeq2Seq"),
        ("automatic-speech-recognition", "wav2vec2", "AutoModelForCTC"),
        ("automatic-speech-recognition", None, "AutoModelForSpeechSeq2Seq"),
        ("automatic-speech-recognition", "bert", "AutoModelForSpeechSeq2Seq"),
        ("text-to-audio", "vits", "AutoModelForTextToWaveform"),
        ("fill-mask", "bert", "AutoModelForMaskedLM"),
    ],
)
def test_the_first_auto_class_that_has_an_architecture_is_its_class(
    task: str, model_type: str | None, auto_class: str
) -> None:
    assert TasksManager.get_model_class_for_task(task, model_type).__name__ == auto_class


def test_a_mapping_without_an_auto_class_names_the_class() -> None:
    model_class = TasksManager.get_model_class_for_task(WITHOUT_AUTO_CLASS, "patchtsmixer")
    assert model_class.__name__ == "PatchTSMixerForTimeSeriesClassification"
    config = PatchTSMixerConfig(num_targets=3)
    model = TasksManager.make_model(WITHOUT_AUTO_CLASS, config)
    assert (type(model), model.config) == (model_class, config)


@pytest.mark.parametrize("model_type", [None, "bert"])
def test_a_task_without_a_class_is_refused(model_type: str | None) -> None:
    with pytest.raises(UsageError, match=f"no class for the model type {model_type!r}; name the"):
        TasksManager.get_model_class_for_task(WITHOUT_AUTO_CLASS, model_type)


class _Forecaster(BertOnnxConfig):
    MODEL_CLASSES: ClassVar[Mapping[str, str]] = {
        "time-series-forecasting": "PatchTSMixerForPrediction"
    }


def test_a_description_may_name_the_class_of_its_models(tmp_path: Path) -> None:
    register("patchtsmixer", tasks=["time-series-forecasting"])(_Forecaster)
    config = PatchTSMixerConfig(d_model=8)
    model = TasksManager.make_model("time-series-forecasting", config)
    assert isinstance(model, PatchTSMixerForPrediction)
    model.save_pretrained(tmp_path)
    loaded = TasksManager.get_model_from_task("time-series-forecasting", tmp_path)
    assert isinstance(loaded, PatchTSMixerForPrediction)
    assert infer_task(str(tmp_path)) == "time-series-forecasting"
    other = TasksManager.get_model_class_for_task("time-series-forecasting", "timesfm")
    assert other.__name__ == "AutoModelForTimeSeriesPrediction"


def test_every_task_has_outputs() -> None:
    assert [name for name, task in TASKS.items() if not task.outputs] == []


def test_starred_elements_are_replaced_by_the_mapping_that_they_name() -> None:
    from transformers.models.auto import modeling_auto

    from harness.configs import transformers_mappings

    read = transformers_mappings._read_mappings()["MODEL_FOR_MULTIMODAL_LM_MAPPING_NAMES"]
    assert read.keys() == modeling_auto.MODEL_FOR_MULTIMODAL_LM_MAPPING_NAMES.keys()


def test_reading_imports_neither_torch_nor_transformers() -> None:
    loaded = run_python(
        "from harness.configs.unregistered import not_registered\n"
        "import sys; not_registered()\n"
        "print(sorted({'torch', 'transformers', 'numpy'} & set(sys.modules)))"
    )
    assert loaded == "[]\n"


def test_a_class_serves_the_tasks_of_its_mappings() -> None:
    assert tasks_of_class("BertForMaskedLM") == ["fill-mask"]
    assert tasks_of_class("BertModel") == ["feature-extraction"]
    assert tasks_of_class("CLIPModel") == ["feature-extraction", "zero-shot-image-classification"]
    assert tasks_of_class("FunnelBaseModel") == ["feature-extraction"], "one of two classes"
    assert tasks_of_class("NoSuchModel") == []


def test_an_architecture_without_description_lacks_all_its_tasks(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    assert "bert" in TasksManager.architectures()
    monkeypatch.delitem(TasksManager._SUPPORTED_MODEL_TYPE, "bert")
    known = {task for task, names in architectures_by_task().items() if "bert" in names}
    assert set(tasks_left("bert")) == known
    assert "fill-mask" in known


def test_an_architecture_with_description_lacks_the_tasks_that_are_left(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    lacking = set(tasks_left("gpt2"))
    entry = supported_tasks_mapping("feature-extraction-with-past", onnx="GPT2OnnxConfig")
    monkeypatch.setitem(TasksManager._SUPPORTED_MODEL_TYPE, "gpt2", entry)
    assert set(tasks_left("gpt2")) > lacking
    assert "text-generation" in tasks_left("gpt2")
    assert "feature-extraction" not in tasks_left("gpt2"), "registered with its past"


def test_rows_are_sorted_and_name_their_library() -> None:
    rows = not_registered()
    assert rows == sorted(rows)
    assert {library for library, _, _ in rows} == {LIBRARY}
    assert all(tasks == sorted(set(tasks)) != [] for _, _, tasks in rows)


@pytest.mark.parametrize(
    ("source", "complaint"),
    [
        pytest.param(None, "cannot be read from", id="no such module"),
        pytest.param("def", "cannot be read from", id="not Python"),
        pytest.param("MODEL_MAPPING_NAMES = make()", "not a call with one list", id="not a list"),
        pytest.param(
            "A_MAPPING_NAMES = OrderedDict([*list(B.items())])", "no mapping known", id="bad star"
        ),
        pytest.param(
            "MODEL_MAPPING_NAMES = OrderedDict([('bert', 'BertModel')])",
            "has no mapping MODEL_FOR_AUDIO_CLASSIFICATION_MAPPING_NAMES",
            id="missing mapping",
        ),
    ],
)
def test_an_unknown_layout_is_one_clear_line(
    source: str | None, complaint: str, tmp_path: Path
) -> None:
    module = tmp_path / "transformers" / SOURCE
    module.parent.mkdir(parents=True)
    (tmp_path / "transformers" / "__init__.py").write_text("raise AssertionError('imported')")
    if source is not None:
        module.write_text(source)
    (line,) = run_python(CALLER, path=tmp_path).splitlines()
    assert line.startswith("transformers: ")
    assert complaint in line
    assert line.endswith("install a version of transformers that this harness supports")


def test_missing_transformers_is_one_clear_line() -> None:
    hide = "import sys; sys.modules['transformers'] = None\n"
    assert run_python(hide + CALLER) == (
        "transformers is not installed; install it with onnx-conformance\n"
    )


def test_model_types_are_those_that_transformers_can_configure() -> None:
    from transformers import CONFIG_MAPPING

    assert set(CONFIG_MAPPING) <= model_types()
    assert "codetiny" not in model_types()


def test_each_text_architecture_is_registered_or_left_out_for_a_reason() -> None:
    generating = {"fill-mask", "text-generation", "text2text-generation"}
    left = [
        name
        for _, name, tasks in not_registered()
        if generating & set(tasks) and not generating & _registered_tasks(name)
    ]
    assert sorted(set(left) - set(reasons_left_out())) == [], (
        "fixtures/left_out.json must give a reason for each unregistered text architecture"
    )


def test_each_reason_is_that_of_an_architecture_without_some_task() -> None:
    known = {name for _, name, _ in not_registered()}
    assert sorted(set(reasons_left_out()) - known) == []


_HEADING = "| architecture | why |"


def test_the_page_of_reasons_has_the_rows_of_the_data() -> None:
    root = Path(__file__).resolve().parents[2]
    (pinned,) = re.findall(r"(?m)^transformers==(\d+\.\d+)", (root / "constraints.txt").read_text())
    page = (root / "docs" / "left-out.md").read_text()
    _, _, table = page.partition(f"Of the architectures that transformers {pinned} maps")
    rows = re.findall(r"(?m)^\| ([a-z0-9_, -]+) \| (\w.+) \|$", table.replace(_HEADING, ""))
    shown = {name: reason for names, reason in rows for name in names.split(", ")}
    assert shown == reasons_left_out(), "docs/left-out.md differs from fixtures/left_out.json"


def test_a_type_of_transformers_is_explained_with_its_reason() -> None:
    line = explain_unregistered("zamba")
    assert line.startswith("model type 'zamba': transformers ")
    assert "cache the state of a recurrence" in line
    for part in ("docs/left-out.md", "scaffold zamba", "--config-module", "CONTRIBUTING.md"):
        assert part in line


@pytest.mark.parametrize("architecture", ["tvp", "qwen2_5_vl", "wavlm", "beit"])
def test_a_type_without_a_reason_of_its_own_is_one_that_awaits_its_description(
    architecture: str,
) -> None:
    assert "its description is not written yet" in explain_unregistered(architecture)


def test_scaffold_is_named_only_for_types_that_it_accepts() -> None:
    assert "git_vision_model" in model_types()
    assert "scaffold" not in explain_unregistered("git_vision_model")


def test_a_type_of_remote_code_is_explained() -> None:
    line = explain_unregistered("codetiny")
    assert "'codetiny' is not part of transformers" in line
    assert "--config-module" in line
    assert "--trust-remote-code" in line


def test_a_typed_name_gets_similar_ones_unless_transformers_has_it() -> None:
    with pytest.raises(UsageError, match="'brt' is not registered; did you mean bert"):
        TasksManager.get_supported_tasks_for_model_type("brt")
    with pytest.raises(UsageError, match=r"'tvp': transformers .* has it") as caught:
        TasksManager.get_supported_tasks_for_model_type("tvp")
    assert "did you mean" not in str(caught.value)


def test_the_type_of_a_loaded_configuration_is_no_typing_error() -> None:
    from transformers import PreTrainedConfig

    class CodeTinyConfig(PreTrainedConfig):  # type: ignore[misc,unused-ignore]
        model_type = "codetiny"

    with pytest.raises(UsageError, match="not part of transformers") as caught:
        TasksManager.get_exporter_config_constructor("onnx", CodeTinyConfig())
    assert "did you mean" not in str(caught.value)
