"""A cell's fingerprint changes if, and only if, something changes that its records depend on."""

from __future__ import annotations

import functools
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from harness.matrix import fingerprint, sources
from harness.matrix.fingerprint import Fingerprints
from harness.matrix.modeling import files_of_models, model_types
from harness.matrix.sources import ABSENT, digest_of, files_of
from harness.records import CellId

REPOSITORY = Path(__file__).resolve().parents[2]
BERT = "bert/fill-mask/opset18/dynamo"
GPT2 = "gpt2/text-generation/opset18/torchscript"
LARGE = "gpt2~external-data/text-generation/opset18/torchscript"
CELLS = (BERT, GPT2, LARGE)
PROGRAM = """
import sys
from pathlib import Path
from harness.matrix import fingerprint
from harness.records import CellId
fingerprint.library_folder = lambda: Path("transformers").resolve()
found = fingerprint.Fingerprints(max_examples=3, seed=0)
for cell in sys.argv[1:]:
    print(found.of(CellId.parse(cell), ["export", "checker"]))
assert not {"torch", "transformers", "onnx"} & set(sys.modules)
"""

Edit = Callable[[str], None]


@pytest.fixture(scope="module")
def original(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of the harness, next to the few files of transformers that it reads."""
    directory = tmp_path_factory.mktemp("checkout")
    for part in ("harness", "fixtures"):
        ignored = shutil.ignore_patterns("__pycache__")
        shutil.copytree(REPOSITORY / part, directory / part, ignore=ignored)
    library = directory / "transformers"
    for name in ("modeling_utils.py", "integrations/sdpa.py", "models/auto/modeling_auto.py"):
        write(library / name)
    for model in ("bert", "gpt2", "roberta", "vit"):
        write(library / "models" / model / f"modeling_{model}.py")
    write(library / "models/bert/modeling_bert.py", "from ..roberta.modeling_roberta import A\n")
    return directory


def write(path: Path, text: str = "first = 1\n") -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)


@pytest.fixture
def checkout(original: Path, tmp_path: Path) -> Path:
    return shutil.copytree(original, tmp_path / "copy")


def fingerprints(directory: Path) -> dict[str, str]:
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM, *CELLS],
        cwd=directory,
        env={**os.environ, "PYTHONPATH": str(directory), "PYTHONDONTWRITEBYTECODE": "1"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return dict(zip(CELLS, done.stdout.split(), strict=True))


@pytest.fixture(scope="module")
def before(original: Path) -> dict[str, str]:
    return fingerprints(original)


@pytest.mark.parametrize(
    ("path", "changed"),
    [
        ("harness/errors.py", CELLS),
        ("harness/files.py", CELLS),
        ("harness/records/outcomes.py", CELLS),
        ("harness/configs/axes.py", CELLS),
        ("harness/evidence/reference.py", CELLS),
        ("harness/requirements/checker.py", CELLS),
        ("harness/requirements/shared/comparison.py", CELLS),
        ("harness/judge/ladder.py", CELLS),
        ("harness/exporters/_wrapper.py", CELLS),
        ("harness/isolation/judge_process.py", CELLS),
        ("harness/exporters/dynamo.py", [BERT]),
        ("harness/exporters/torchscript.py", [GPT2, LARGE]),
        ("harness/configs/architectures/bert.py", [BERT]),
        ("harness/configs/architectures/gpt2.py", [GPT2, LARGE]),
        ("transformers/modeling_utils.py", CELLS),
        ("transformers/integrations/sdpa.py", CELLS),
        ("transformers/models/auto/modeling_auto.py", CELLS),
        ("transformers/models/bert/modeling_bert.py", [BERT]),
        ("transformers/models/roberta/modeling_roberta.py", [BERT]),
        ("transformers/models/gpt2/modeling_gpt2.py", [GPT2, LARGE]),
        ("transformers/models/vit/modeling_vit.py", []),
        ("harness/configs/architectures/vit.py", []),
        ("harness/cli/check.py", []),
        ("harness/pytest_plugin/controller.py", []),
        ("harness/matrix/shards.py", []),
    ],
)
def test_a_source_counts_for_the_cells_that_are_made_of_it(
    checkout: Path, before: dict[str, str], path: str, changed: list[str]
) -> None:
    with (checkout / path).open("a", encoding="utf-8") as stream:
        stream.write("\nchanged = 1\n")
    after = fingerprints(checkout)
    assert [cell for cell in CELLS if after[cell] != before[cell]] == list(changed)


@pytest.mark.parametrize(
    ("path", "text", "changed"),
    [
        ("fixtures/regressions/bert.json", "[]", [BERT]),
        ("fixtures/regressions/gpt2.json", "[]", [GPT2, LARGE]),
        ("fixtures/durations.json", "{}", []),
        ("fixtures/expectations/dynamo-opset17-pad.toml", "", []),
    ],
)
def test_a_fixture_counts_where_it_is_used(
    checkout: Path, before: dict[str, str], path: str, text: str, changed: list[str]
) -> None:
    (checkout / path).write_text(text)
    after = fingerprints(checkout)
    assert [cell for cell in CELLS if after[cell] != before[cell]] == changed


@pytest.mark.parametrize(
    ("name", "changed"), [("gpt2", [GPT2, LARGE]), ("gpt2~external-data", [LARGE])]
)
def test_a_tiny_model_counts_for_itself_and_its_variants(
    checkout: Path, before: dict[str, str], name: str, changed: list[str]
) -> None:
    path = checkout / f"fixtures/models/{name}.json"
    path.write_text(path.read_text().replace("128", "256").replace('"seed": ', '"seed": 1'))
    after = fingerprints(checkout)
    assert [cell for cell in CELLS if after[cell] != before[cell]] == changed


def test_words_and_form_do_not_count(checkout: Path, before: dict[str, str]) -> None:
    for path in checkout.glob("harness/*/*.py"):
        path.write_text("# A comment.\n\n\n" + path.read_text())
    module = checkout / "harness/requirements/checker.py"
    module.write_text(module.read_text().replace('"""', '"""Said otherwise: ', 1))
    tiny = checkout / "fixtures/models/bert.json"
    tiny.write_text(tiny.read_text().replace(",", ",\n\n"))
    assert fingerprints(checkout) == before


def of(cell: str = BERT, *names: str, max_examples: int = 3, seed: int = 0) -> str | None:
    found = Fingerprints(max_examples=max_examples, seed=seed)
    return found.of(CellId.parse(cell), names or ("export", "checker"))


def test_what_is_asked_counts() -> None:
    asked = [
        of(),
        of(BERT.replace("18", "19")),
        of(BERT.replace("fill-mask", "token-classification")),
        of(BERT, "export"),
        of(max_examples=4),
        of(seed=1),
    ]
    assert None not in asked
    assert len(set(asked)) == len(asked)
    assert of() == asked[0]


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("versions", lambda: {"torch": "3.0"}),
        ("installed_version", lambda name: "3.0"),
        ("_torch_build", lambda: "another commit"),
        ("_processor", lambda: "another one"),
        ("loaded_config_modules", lambda: ["mine"]),
    ],
)
def test_where_it_is_judged_counts(
    monkeypatch: pytest.MonkeyPatch, name: str, value: Callable[..., object]
) -> None:
    before = of()
    monkeypatch.setattr(fingerprint, name, value)
    assert of() not in (None, before)


def test_the_settings_of_an_exporter_count(monkeypatch: pytest.MonkeyPatch) -> None:
    class Exporter:
        def __init__(self, command: str) -> None:
            self.command = command

        @functools.cached_property
        def opsets(self) -> tuple[int, ...]:
            return (18,)

    Exporter.__module__ = "harness.exporters._api"
    found = []
    asked = Exporter("a")
    assert asked.opsets
    for exporter in (Exporter("a"), asked, Exporter("b")):
        monkeypatch.setattr(fingerprint, "get_exporter", lambda _, e=exporter: e)
        found.append(of())
    assert found[0] == found[1] != found[2]


def test_a_cell_without_sources_has_no_fingerprint(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    class Exporter:
        pass

    Exporter.__module__ = "made_up"
    monkeypatch.setattr(fingerprint, "get_exporter", lambda _: Exporter())
    assert of() is None
    assert of("bert/no-such-task/opset18/dynamo") is None
    assert of("no_such_model/fill-mask/opset18/dynamo") is None


def test_a_module_is_followed_into_its_package_and_beside_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write(tmp_path / "followed/__init__.py", "")
    write(tmp_path / "followed/deep/__init__.py", "")
    write(tmp_path / "followed/a.py", "def f():\n    from .deep import b\n")
    write(tmp_path / "followed/deep/b.py", "from .. import c\nimport beside\nimport json\n")
    write(tmp_path / "followed/c.py", "import followed.a\n")
    write(tmp_path / "followed/other.py")
    write(tmp_path / "beside.py")
    monkeypatch.syspath_prepend(str(tmp_path))
    __import__("followed.a")
    names = {
        *("followed/__init__.py", "followed/a.py", "followed/c.py"),
        *("followed/deep/__init__.py", "followed/deep/b.py", "beside.py"),
    }
    assert set(files_of(["followed.a", "json"]) or ()) == {tmp_path / name for name in names}
    monkeypatch.setattr(sources, "INSTALLED", frozenset({tmp_path.name}))
    assert set(files_of(["followed.a"]) or ()) == {
        tmp_path / name for name in names - {"beside.py"}
    }


def test_a_model_that_cannot_be_placed_is_made_of_all_of_them(tmp_path: Path) -> None:
    for name in ("a", "b", "c"):
        write(tmp_path / f"models/{name}/modeling_{name}.py", "# from ..c import x\n")
    write(tmp_path / "models/looks_up/modeling.py", "from ..auto import AutoModel\n")
    every = set(tmp_path.rglob("*.py"))
    assert len(files_of_models(tmp_path, frozenset({"a"}))) == 1
    assert set(files_of_models(tmp_path, frozenset({"a", "elsewhere"}))) == every
    assert set(files_of_models(tmp_path, frozenset({"looks-up"}))) == every


def test_model_types_within_a_tiny_model_are_found() -> None:
    within = {"config": {"model_type": "a", "encoder": {"model_type": "b"}}, "tasks": {"t": {}}}
    assert list(model_types(within)) == ["a", "b"]


def test_a_file_is_read_again_when_it_has_changed(tmp_path: Path) -> None:
    path = tmp_path / "x.json"
    assert digest_of(path) == ABSENT
    path.write_text("{}")
    first = digest_of(path)
    path.write_text("[1]")
    second = digest_of(path)
    path.write_text("[1")
    assert len({ABSENT, first, second, digest_of(path)}) == 4
