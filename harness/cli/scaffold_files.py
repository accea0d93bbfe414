"""Paths that `scaffold` writes. It creates new files only, and both or none of them."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from harness.cli.common import require_folder
from harness.cli.scaffold_text import module_stem
from harness.configs.plugins import fixture_directories
from harness.errors import UsageError


@dataclass(frozen=True, slots=True)
class ScaffoldPaths:
    """Paths of the two files of an architecture.

    `folder` is the output folder if they are written outside of this repository, else None.
    """

    module: Path
    fixture: Path
    folder: Path | None = None

    @property
    def files(self) -> tuple[Path, Path]:
        return self.module, self.fixture

    @property
    def import_name(self) -> str:
        """Name under which the module can be imported."""
        if self.folder is not None:
            return self.module.stem
        return f"harness.configs.architectures.{self.module.stem}"


def choose_paths(architecture: str, output: Path | None) -> ScaffoldPaths:
    """Return paths in `output`, or if that is None, in the checkout that the harness runs from.

    Raises UsageError if the harness does not run from a checkout, if a folder is not writable, or
    if a file exists.
    """
    stem, tiny = module_stem(architecture), Path("models", f"{architecture}.json")
    if output is not None:
        output = output.absolute()
        module = output / f"{stem}_onnx_config.py"
        paths = ScaffoldPaths(module, output / "fixtures" / tiny, folder=output)
    else:
        root = _checkout()
        module = root / "harness" / "configs" / "architectures" / f"{stem}.py"
        paths = ScaffoldPaths(module, root / "fixtures" / tiny)
    for path in paths.files:
        require_folder(path.parent)
    _require_absent(paths.files)
    return paths


def write_new(texts: Mapping[Path, str]) -> None:
    """Write all files or none. Raises UsageError if one exists or cannot be written."""
    drafts = {path.with_name(f".{path.name}.{os.getpid()}"): path for path in texts}
    placed: list[Path] = []
    try:
        for draft, path in drafts.items():
            path.parent.mkdir(parents=True, exist_ok=True)
            draft.write_text(texts[path], encoding="utf-8")
        for draft, path in drafts.items():
            _require_absent([path])
            draft.rename(path)
            placed.append(path)
    except BaseException as error:
        for path in (*drafts, *placed):
            path.unlink(missing_ok=True)
        if isinstance(error, OSError):
            raise UsageError(f"{error.filename}: cannot be written ({error.strerror})") from error
        raise


def _checkout() -> Path:
    """Return the root of the source checkout, which has the package and its fixtures."""
    package = Path(__file__).resolve().parents[1]
    fixtures = fixture_directories()[-1]
    if fixtures.is_dir() and fixtures == package.parent / "fixtures":
        return package.parent
    raise UsageError(
        "the harness is installed and not run from a checkout; give a folder with --output"
    )


def _require_absent(paths: Iterable[Path]) -> None:
    for path in paths:
        if path.exists():
            raise UsageError(f"{path}: exists already; remove or rename it first")
