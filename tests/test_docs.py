"""Every Python block of the documents runs, and every link and finding exists."""

from __future__ import annotations

import gc
import re
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from sybil import Sybil
from sybil.parsers.markdown import PythonCodeBlockParser

from tests.gate import full

ROOT = Path(__file__).parents[1]
DOCUMENTS = sorted([*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md")])
FINDINGS = ROOT / "docs" / "findings"


def _runnable(path: Path) -> Any:
    """Return a document as a parameter; the gate omits the ones that take long."""
    is_long = path.parent == FINDINGS or path.name == "coming-from-optimum.md"
    return pytest.param(path, id=str(path.relative_to(ROOT)), marks=full if is_long else ())


@pytest.fixture
def _without_its_classes() -> Iterator[None]:
    """Free the classes of a document after the test: later tests find classes by their names."""
    yield
    gc.collect()


@pytest.mark.usefixtures("_without_its_classes")
@pytest.mark.parametrize("path", [_runnable(path) for path in DOCUMENTS])
def test_python_blocks_run(path: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("harness.configs.plugins._fixture_directories", [])
    document = Sybil([PythonCodeBlockParser()]).parse(path)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for example in document.examples():
            example.evaluate()


@pytest.mark.parametrize("path", DOCUMENTS, ids=lambda path: str(path.relative_to(ROOT)))
def test_relative_links_exist(path: Path) -> None:
    targets = re.findall(r"\]\((?!https?:|#)([^)#]+)", path.read_text(encoding="utf-8"))
    assert [target for target in targets if not (path.parent / target).exists()] == []


def test_findings_and_expectations_name_each_other() -> None:
    expectations = (ROOT / "fixtures" / "expectations").glob("*.toml")
    text = "".join(path.read_text(encoding="utf-8") for path in expectations)
    named = set(re.findall(r'"(docs/findings/[^"]+)"', text))
    pages = {str(path.relative_to(ROOT)) for path in (ROOT / "docs" / "findings").glob("*.md")}
    assert named == pages
