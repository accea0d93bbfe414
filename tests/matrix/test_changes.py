"""Changed files select rows of the matrix; tested with the files and registry of this checkout."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import harness
from harness import BertOnnxConfig, register
from harness.configs.plugins import register_fixtures
from harness.evidence.fixtures import TinyModel
from harness.exporters import register_exporter
from harness.matrix.changed_files import ChangedFile, changed_definitions
from harness.matrix.changes import Changes, select_changes
from harness.matrix.durations import read_durations
from harness.matrix.plan import Selection, make_plan
from harness.matrix.registry import Registry, modalities, read_registry
from harness.matrix.smoke_set import smoke_set

ROOT = Path(harness.__file__).resolve().parents[1]
ARCHITECTURES = "harness/configs/architectures"
SMOKE = "the smoke set"
Edit = Callable[[str], str]


@pytest.fixture
def registry() -> Registry:
    """The registry of this checkout."""
    return read_registry()


@pytest.fixture
def selected(registry: Registry) -> Callable[..., Changes]:
    """Returns the rows that changed files select."""

    def select(*files: ChangedFile) -> Changes:
        return select_changes(files, registry, read_durations())

    return select


def edited(path: str, *replaced: tuple[str, str]) -> ChangedFile:
    """A file of this checkout, changed by replacing (old, new) texts."""
    text = after = (ROOT / path).read_text(encoding="utf-8")
    for old, new in replaced:
        assert old in after
        after = after.replace(old, new, 1)
    return ChangedFile(root=ROOT, path=path, before=text.encode(), after=after.encode())


def added(path: str, text: str = "", root: Path = ROOT) -> ChangedFile:
    return ChangedFile(root=root, path=path, before=None, after=text.encode())


def deleted(path: str) -> ChangedFile:
    return ChangedFile(root=ROOT, path=path, before=b"{}", after=None)


def names(changes: Changes) -> set[str]:
    return {name for change in changes.selecting for name in change.names}


def rows(changes: Changes, registry: Registry) -> set[tuple[str, str, str]]:
    """The (tiny model, task, exporter) triples of the full matrix that the changes select."""
    plan = make_plan(Selection(opsets=(18,)), registry)
    return {
        (str(TinyModel(cell.architecture, cell.variant)), cell.task, cell.exporter)
        for cell in changes.cells_of(plan)
    }


def every_row(registry: Registry, *architectures: str) -> set[tuple[str, str, str]]:
    return {
        (str(model), task, exporter)
        for model, tasks in registry.tasks.items()
        for task in tasks
        for exporter in registry.exporters
        if model.architecture in architectures
    }


def test_an_architecture_is_selected_with_all_tasks_variants_and_exporters(
    selected: Any, registry: Registry
) -> None:
    changes = selected(edited("fixtures/models/gpt2.json", ('"seed": ', '"seed": 1')))
    assert rows(changes, registry) == every_row(registry, "gpt2")
    assert any(model == "gpt2~external-data" for model, _, _ in rows(changes, registry))
    assert str(changes) == "1 file selects gpt2 (fixtures/models/gpt2.json)"


@pytest.mark.parametrize(
    ("old", "new", "concerned", "others"),
    [
        ('hidden_size="dim"', 'hidden_size="width"', {"distilbert"}, {"bert", "roberta"}),
        ("class BertOnnx", "class Other", {"bert", "distilbert"}, {"vit"}),  # one class was removed
        ('@register("bert"', 'X = 1\n\n\n@register("bert"', {"bert", "distilbert"}, {"vit"}),
        (
            "class BertOnnxConfig(TextEncoderOnnxConfig):",
            "class BertOnnxConfig(TextEncoderOnnxConfig):\n    X = 1",
            {"bert", "megatron-bert"},
            {"distilbert", "vit"},
        ),
    ],
)
def test_of_a_module_those_are_selected_that_what_changed_concerns(
    selected: Any, old: str, new: str, concerned: set[str], others: set[str]
) -> None:
    found = names(selected(edited(f"{ARCHITECTURES}/bert.py", (old, new))))
    assert found >= concerned
    assert found.isdisjoint(others | {SMOKE})


def test_what_only_mentions_a_changed_class_is_selected_too() -> None:
    source = "class A: pass\n\nclass B:\n    of = A\n\nclass C(B): pass\n\nclass D: pass\n"
    changed = source.replace("class A: pass", "class A: x = 1")
    file = ChangedFile(root=ROOT, path="x.py", before=source.encode(), after=changed.encode())
    assert changed_definitions(file) == {"A", "B", "C"}


@pytest.mark.parametrize(
    ("path", "old", "concerned", "others"),
    [
        ("middle_end.py", "class VisionOnnxConfig(", {"vit"}, {"clip"}),
        ("middle_end.py", "class AudioToTextOnnxConfig(", {"whisper"}, {"bart"}),
        (
            "middle_end.py",
            "class TextEncoderOnnxConfig(",
            {"bert", "distilbert", "bart"},
            {"t5", "vit"},
        ),
        ("seq2seq.py", "class OnnxSeq2SeqConfigWithPast(", {"bart", "t5", "whisper"}, {"gpt2"}),
        ("normalized_config.py", "class NormalizedTextAndVisionConfig(", {"clip"}, {"vit"}),
        ("dummy_inputs.py", "class DummyVisionInputGenerator(", {"vit", "clip"}, {"bert"}),
    ],
)
def test_a_class_that_changed_selects_those_that_use_it(
    selected: Any, path: str, old: str, concerned: set[str], others: set[str]
) -> None:
    found = names(selected(edited(f"harness/configs/{path}", (old, f"{old}dict, "))))
    assert found >= concerned
    assert found.isdisjoint(others | {SMOKE})


def test_another_statement_of_a_shared_module_selects_all_that_use_the_module(
    selected: Any,
) -> None:
    changes = selected(edited("harness/configs/seq2seq.py", ("\nclass", "\nX = 1\n\nclass")))
    assert names(changes) >= {"bart", "t5", "whisper"}
    assert not names(changes) & {SMOKE, "bert", "vit"}


def test_a_row_selects_its_architecture(selected: Any, registry: Registry) -> None:
    path = f"{ARCHITECTURES}/llama.py"
    row = '    Row("arcee", "Arcee", ANSWERING_TASKS'
    tasks = edited(path, (row, row.replace("ANSWERING", "DECODER")))
    assert names(selected(tasks)) == {"arcee"}
    new = edited(path, (row, f'    Row("new", "New", DECODER_TASKS, "another name"),\n{row}'))
    assert names(selected(new)) >= {"llama", "arcee"}
    other = edited(path, ("register_rows(\n    LlamaOnnxConfig", "register_rows(\n    OnnxConfig"))
    assert names(selected(other)) >= {"arcee", "bitnet"}
    assert not names(selected(other)) & {"llama", "bert", "gemma"}


@pytest.mark.parametrize(
    "file",
    [
        edited("harness/configs/base.py", ("class OnnxConfig(", "class OnnxConfig(dict, ")),
        edited("harness/configs/axes.py", ("import", "import sys\nimport")),
        edited("harness/configs/tasks.py", ("import", "import sys\nimport")),
        edited("harness/configs/normalized_config.py", ("import", "import sys\nimport")),
        edited("harness/judge/ladder.py", ("import", "import sys\nimport")),
        edited("harness/exporters/_wrapper.py", ("import", "import sys\nimport")),
        edited("pyproject.toml", ('"numpy>=2.0"', '"numpy>=2.1"')),
        edited("constraints.txt", ("==", ">=")),
        edited("conformance/test_conformance.py", ("assert_conforms(cell)", "pass")),
        edited("conftest.py", ("pytest_plugins", "plugins")),
        added("harness/judge/new.py"),
        added("something.bin"),
        deleted(f"{ARCHITECTURES}/gone.py"),
        added("fixtures/unknown.json"),
        added("fixtures/expectations/new.cells", "bert"),
        ChangedFile(root=ROOT, path="fixtures/expectations/x.cells", before=None, after=b"\xff"),
    ],
    ids=lambda file: f"{file.path}",
)
def test_the_engine_selects_the_smoke_set(
    selected: Any, registry: Registry, file: ChangedFile
) -> None:
    changes = selected(file)
    assert names(changes) == {SMOKE}
    found = rows(changes, registry)
    assert {exporter for _, _, exporter in found} == set(registry.exporters)
    assert set(modalities(model for model, _, _ in found).values()) == set(
        modalities(model.architecture for model in registry.models).values()
    )


@pytest.mark.parametrize(
    "file",
    [
        edited("README.md", ("a", "b")),
        edited("docs/guide.md", ("a", "b")),
        edited("fixtures/expectations/README.md", ("a", "b")),
        edited("fixtures/durations.json", ("bart", "bert")),
        edited("fixtures/left_out.json", ("zamba2", "zamba3")),
        edited("reports/html.py", ("import", "import sys\nimport")),
        edited("tests/matrix/test_changes.py", ("import", "import sys\nimport")),
        edited("Makefile", ("pytest", "tox")),
        added("benchmarks/new.py"),
        edited("fixtures/runs/healthy/run.jsonl", ("passed", "failed")),
        added(".github/workflows/gate.yml"),
        added("fixtures/regressions/unregistered.json", "[]"),
        edited("harness/judge/ladder.py", ("\n\n\n", "\n\n\n\n# another comment\n")),
        edited(f"{ARCHITECTURES}/bert.py", ('"""', '"""Another docstring. ')),
        edited("fixtures/models/bert.json", ("{", "{\n\n")),
        edited("pyproject.toml", ("[project]", "# a comment\n[project]")),
        edited("fixtures/expectations/dynamo-opset17-pad.toml", ("exporter", "# c\nexporter")),
    ],
    ids=lambda file: f"{file.path}",
)
def test_what_no_verdict_depends_on_selects_nothing(
    selected: Any, registry: Registry, file: ChangedFile
) -> None:
    changes = selected(file)
    assert rows(changes, registry) == set()
    assert str(changes) == "none of 1 changed files selects a cell"


@pytest.mark.parametrize(
    "file",
    [
        edited("fixtures/models/gpt2.json", ('"seed": ', '"seed": 1')),
        edited("fixtures/models/gpt2~external-data.json", ("-with-past", "")),
        deleted("fixtures/models/gpt2~external-data.json"),
        deleted("fixtures/models/gpt2.json"),
        added("fixtures/models/gpt2~new.json", "{}"),
        added("fixtures/regressions/gpt2.json", "[]"),
    ],
    ids=lambda file: f"{file.path}",
)
def test_fixtures_select_their_architecture(
    selected: Any, registry: Registry, file: ChangedFile
) -> None:
    assert rows(selected(file), registry) == every_row(registry, "gpt2")


def cells(*lines: str) -> bytes:
    return "".join(f"{line}\n" for line in lines).encode()


def test_the_lines_that_a_list_gains_or_loses_select_their_rows(
    selected: Any, registry: Registry
) -> None:
    kept = "vit/image-classification/opset18/dynamo"
    changed = ("bert/fill-mask/opset18/dynamo", "distilbert/fill-mask/opset9/torchscript export")
    gone = "removed/fill-mask/opset18/dynamo"
    for before, after in ((cells(kept), cells(kept, *changed)), (cells(*changed, gone), None)):
        path = "fixtures/expectations/some.cells"
        found = selected(ChangedFile(root=ROOT, path=path, before=before, after=after))
        assert names(found) == {"bert", "distilbert"}
        assert rows(found, registry) == {
            ("bert", "fill-mask", "dynamo"),
            ("distilbert", "fill-mask", "torchscript"),
        }
    same = ChangedFile(root=ROOT, path=path, before=cells(kept), after=cells(f"{kept} export"))
    assert names(selected(same)) == set()


def test_a_finding_selects_the_rows_of_its_list(
    selected: Any, registry: Registry, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "expectations"
    folder.mkdir()
    (folder / "some.cells").write_text("bert/fill-mask/opset18/dynamo\n")
    monkeypatch.setattr("harness.configs.plugins._fixture_directories", [tmp_path])
    for before, after in ((b"reason = 'a'", b"reason = 'b'"), (None, b"reason = 'a'")):
        file = ChangedFile(root=tmp_path, path="expectations/some.toml", before=before, after=after)
        assert rows(selected(file), registry) == {("bert", "fill-mask", "dynamo")}
    (folder / "some.cells").unlink()
    assert names(selected(file)) == set()


def test_an_exporter_selects_itself_on_the_smoke_set(selected: Any, registry: Registry) -> None:
    changes = selected(edited("harness/exporters/dynamo.py", ("import", "import sys\nimport")))
    assert str(changes).startswith("1 file selects the smoke set of exporter dynamo (")
    smoke = smoke_set(registry, read_durations())
    assert rows(changes, registry) == {(row.model, row.task, "dynamo") for row in smoke}


def test_several_changes_add_up_in_one_line(selected: Any, registry: Registry) -> None:
    files = [
        added("fixtures/models/vit.json", "{}"),
        edited(f"{ARCHITECTURES}/bert.py", ('hidden_size="dim"', 'hidden_size="width"')),
        edited("README.md", ("a", "b")),
        added("harness/new.py"),
        added("fixtures/regressions/vit.json", "[]"),
    ]
    changes = selected(*files)
    assert rows(changes, registry) >= every_row(registry, "distilbert", "vit")
    assert str(changes) == (
        f"4 files select distilbert, vit, {SMOKE} (fixtures/models/vit.json, "
        f"{ARCHITECTURES}/bert.py, harness/new.py, 1 more)"
    )


def test_another_package_is_mapped_too(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "tests").mkdir()
    path = tmp_path / "tests" / "their_configs.py"
    path.write_text("")
    (tmp_path / "models").mkdir()
    monkeypatch.setattr("harness.configs.plugins._fixture_directories", [])
    register_fixtures(tmp_path)
    monkeypatch.syspath_prepend(str(path.parent))
    module: Any = __import__("their_configs")

    @register("theirs", tasks=["fill-mask"])
    class TheirOnnxConfig(BertOnnxConfig):
        pass

    class TheirExporter:
        name = "theirexporter"

    TheirOnnxConfig.__qualname__ = "TheirOnnxConfig"
    TheirOnnxConfig.__module__ = TheirExporter.__module__ = module.__name__
    registry = read_registry()
    described = added("tests/their_configs.py", "class TheirOnnxConfig: pass", root=tmp_path)
    tiny = added("models/theirs.json", "{}", root=tmp_path)
    for file in (described, tiny):
        changes = select_changes([file], registry, read_durations())
        assert rows(changes, registry) == every_row(registry, "theirs")
    base = ("class BertOnnxConfig(", "class BertOnnxConfig(dict, ")
    bases = edited(f"{ARCHITECTURES}/bert.py", base)
    concerned = names(select_changes([bases], registry, read_durations()))
    assert concerned >= {"bert", "theirs"}
    assert "distilbert" not in concerned
    register_exporter(TheirExporter())  # type: ignore[arg-type]
    registry = read_registry()
    changes = select_changes([described], registry, read_durations())
    assert names(changes) == {"the smoke set of exporter theirexporter"}
