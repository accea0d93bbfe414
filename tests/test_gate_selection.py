"""The gate's selection of pairs: a fixed sample, and the architectures that a change concerns."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from harness import TasksManager
from harness.matrix.changed_files import ChangedFile
from tests.gate import SAMPLE, Gate, architectures_of, is_sampled

ROOT = Path(__file__).parents[1]


def changed(path: str, before: str | None = "") -> ChangedFile:
    return ChangedFile(
        root=ROOT,
        path=path,
        before=None if before is None else before.encode(),
        after=(ROOT / path).read_bytes(),
    )


def of(*files: ChangedFile) -> set[str]:
    return set(architectures_of(files, TasksManager.architectures()))


def chosen(parameters: list[Any]) -> set[tuple[str, str]]:
    return {p.values for p in parameters if not any(mark.name == "full" for mark in p.marks)}


def test_a_tiny_model_and_its_variants_concern_their_architecture() -> None:
    assert of(changed("fixtures/models/bert.json")) == {"bert"}
    assert of(changed("fixtures/models/gpt2~external-data.json")) == {"gpt2"}


def test_a_description_concerns_the_architectures_that_use_it() -> None:
    path = "harness/configs/architectures/bart.py"
    source = (ROOT / path).read_text(encoding="utf-8")
    edited = source.replace("shifted", "moved")
    assert edited != source
    assert "bart" in of(changed(path, edited))
    assert "bert" not in of(changed(path, edited))


def test_the_engine_docs_and_reworded_descriptions_concern_none() -> None:
    path = "harness/configs/architectures/bart.py"
    source = (ROOT / path).read_text(encoding="utf-8")
    files = [changed("harness/judge/ladder.py"), changed("README.md")]
    assert of(*files, changed(path, f"# a comment\n{source}")) == set()


def test_the_sample_is_about_one_in_thirty_and_the_same_each_time() -> None:
    names = [f"architecture/{number}" for number in range(6000)]
    assert 6000 / SAMPLE * 0.8 < sum(map(is_sampled, names)) < 6000 / SAMPLE * 1.2
    assert is_sampled("bert/fill-mask") == is_sampled("bert/fill-mask")


def test_without_git_the_sample_alone_is_chosen(tmp_path: Path) -> None:
    pairs = Gate("main", tmp_path).pairs()
    sampled = {p.values for p in pairs if is_sampled("/".join(p.values))}
    assert chosen(pairs) == sampled
    assert 0 < len(sampled) < len(pairs)


CONFTEST = """
import pytest
from tests.gate import mark_later_cases

@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items):
    mark_later_cases(items)
"""
CASES = """
import pytest

@pytest.mark.gate_cases(2)
@pytest.mark.parametrize("case", "abc")
def test_cases(case):
    pass

def test_other():
    pass
"""


def test_later_cases_of_a_marked_test_are_left_out(tmp_path: Path) -> None:
    (tmp_path / "conftest.py").write_text(CONFTEST)
    (tmp_path / "test_it.py").write_text(CASES)
    kept = ["test_cases[a]", "test_cases[b]", "test_other"]
    assert collected(tmp_path, "-m", "not full") == kept
    assert len(collected(tmp_path)) == len(kept) + 1


def collected(folder: Path, *options: str) -> list[str]:
    """Return the names of the tests that pytest collects in a folder."""
    command = [sys.executable, "-m", "pytest", str(folder), "--collect-only", "-q", *options]
    own = ["-p", "no:cacheprovider", "--rootdir", str(folder), "-c", "/dev/null"]
    printed = subprocess.run([*command, *own], cwd=ROOT, capture_output=True, text=True, check=True)
    return [line.partition("::")[2] for line in printed.stdout.splitlines() if "::" in line]


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """A repository with two tiny models and one commit on `main`."""
    (tmp_path / "fixtures/models").mkdir(parents=True)
    for name in ("bert", "vit"):
        (tmp_path / f"fixtures/models/{name}.json").write_text("{}")
    commit(tmp_path, "init", "--initial-branch", "main")
    commit(tmp_path, "add", "--all")
    commit(tmp_path, "commit", "--message", "first")
    return tmp_path


def commit(directory: Path, *arguments: str) -> None:
    identity = ("-c", "user.name=a", "-c", "user.email=a@b.invalid")
    subprocess.run(["git", *identity, *arguments], cwd=directory, check=True, capture_output=True)


def test_all_tasks_of_a_changed_architecture_are_chosen(checkout: Path) -> None:
    (checkout / "fixtures/models/bert.json").write_text('{"changed": true}')
    found = chosen(Gate("main", checkout).pairs())
    tasks = set(TasksManager.get_supported_tasks_for_model_type("bert"))
    assert {task for architecture, task in found if architecture == "bert"} == tasks


def test_on_the_base_itself_the_last_commit_counts(checkout: Path) -> None:
    (checkout / "fixtures/models/vit.json").write_text('{"changed": true}')
    commit(checkout, "commit", "--all", "--message", "second")
    assert Gate("main", checkout).changed == {"vit"}
