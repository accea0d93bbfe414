"""`doctor`: checks that the environment can run the harness, and says what to repair."""

from __future__ import annotations

import os
import platform
from collections.abc import Callable
from dataclasses import dataclass
from importlib import metadata

import typer

from harness.cli.common import ConfigModules, load_descriptions
from harness.cli.output import clean_stdout
from harness.versions import installed_version

DISTRIBUTION = "onnx-conformance"
NEEDED = ("hypothesis", "numpy", "onnx", "onnxruntime", "onnxscript", "torch", "transformers")
UNSUITABLE = 1


@dataclass(frozen=True, slots=True)
class Finding:
    """One line about the environment. `remedy` says what to do if it is a problem."""

    subject: str
    state: str
    remedy: str = ""


def doctor(*, config_module: ConfigModules = None) -> int:
    """Check the environment; exit 1 if there is a problem.

    Shows versions, opset ranges of exporters, threads, cache and fixtures.
    """
    with clean_stdout() as stdout:
        load_descriptions(config_module)
        problems: list[Finding] = []
        for title, examine in SECTIONS.items():
            findings = examine()
            problems += [finding for finding in findings if finding.remedy]
            typer.echo("\n".join([title, *map(_line, findings)]), file=stdout)
        for problem in problems:
            typer.echo(f"{problem.subject}: {problem.state}; {problem.remedy}", file=stdout)
        typer.echo("problems found" if problems else "no problems found", file=stdout)
    return UNSUITABLE if problems else 0


def _line(finding: Finding) -> str:
    return f"  {finding.subject:<16} {finding.state}"


def _packages() -> list[Finding]:
    ranges = _declared_ranges()
    python = Finding("python", platform.python_version())
    return [python, *(_package(name, ranges.get(name)) for name in (DISTRIBUTION, *NEEDED))]


def _package(name: str, declared: str | None) -> Finding:
    version = installed_version(name)
    if version is None and name == DISTRIBUTION:
        return Finding(name, "not installed, running from source")
    if version is None:
        return Finding(name, "not installed", f"pip install '{name}{declared or ''}'")
    if declared and not _suits(version, declared):
        return Finding(name, f"{version}, outside {declared}", f"pip install '{name}{declared}'")
    return Finding(name, version)


def _suits(version: str, declared: str) -> bool:
    from packaging.specifiers import SpecifierSet

    return SpecifierSet(declared).contains(version, prereleases=True)


def _declared_ranges() -> dict[str, str]:
    """Package -> version range required by the installed harness; empty if not installed."""
    from packaging.requirements import Requirement

    try:
        texts = metadata.requires(DISTRIBUTION) or []
    except metadata.PackageNotFoundError:
        return {}
    requirements = [Requirement(text) for text in texts]
    return {
        requirement.name: str(requirement.specifier)
        for requirement in requirements
        if requirement.marker is None or requirement.marker.evaluate()
    }


def _exporters() -> list[Finding]:
    from harness.exporters import exporter_names

    if any(installed_version(name) is None for name in NEEDED):
        return [Finding("all", "not probed, because a required package is missing")]
    return [_exporter(name) for name in exporter_names()]


def _exporter(name: str) -> Finding:
    from harness.exporters import get_exporter
    from harness.matrix.opsets import format_opsets

    try:
        opsets = get_exporter(name).opsets
    except Exception as error:  # an exporter of another package may raise what it likes
        return Finding(name, f"cannot be used ({error!r})", "repair or uninstall it")
    if not opsets:
        return Finding(name, "honours no opset", f"install the versions that {DISTRIBUTION} pins")
    return Finding(name, f"opset {format_opsets(opsets)}")


def _threads() -> list[Finding]:
    findings = [Finding("processors", f"{_usable_processors()} usable")]
    if installed_version("torch"):
        import torch

        findings.append(Finding("torch", f"{torch.get_num_threads()}"))
    return [*findings, Finding("OMP_NUM_THREADS", os.environ.get("OMP_NUM_THREADS", "not set"))]


def _usable_processors() -> int:
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def _cache() -> list[Finding]:
    from harness.files import cache_directory

    directory = cache_directory()
    try:
        directory.mkdir(parents=True, exist_ok=True)
        writable = os.access(directory, os.W_OK)
    except OSError:
        writable = False
    if writable:
        return [Finding("opset ranges", str(directory))]
    remedy = "set ONNX_CONFORMANCE_CACHE to a writable folder"
    return [Finding("opset ranges", f"{directory} is not writable", remedy)]


def _fixtures() -> list[Finding]:
    from harness.configs.plugins import find_fixture, fixture_directories
    from harness.configs.tasks import TasksManager

    folders = [
        Finding("folder", f"{folder}, {len(list(folder.glob('models/*.json')))} tiny models")
        for folder in fixture_directories()
    ]
    missing = [
        Finding(name, "no tiny model", f"add fixtures/models/{name}.json")
        for name in TasksManager.architectures()
        if find_fixture(f"models/{name}.json") is None
    ]
    return folders + missing


SECTIONS: dict[str, Callable[[], list[Finding]]] = {
    "packages": _packages,
    "opsets by exporter": _exporters,
    "threads": _threads,
    "cache": _cache,
    "fixtures": _fixtures,
}
