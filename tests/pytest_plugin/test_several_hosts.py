"""Workers on other machines: xdist's `--tx`, with environments that share only package versions."""

from __future__ import annotations

import sys
import venv
from pathlib import Path

import pytest
from pytest_runs import (
    AFTER_CHECKER,
    CELL,
    LADDER,
    NO_EXPECTATIONS,
    REPOSITORY,
    SMALL,
    RunPytest,
    rule,
)

STUBS = Path(__file__).parent
STAND_IN_FOR_SSH = """\
#!/bin/sh
# Called as ssh -C HOST COMMAND; runs the command in an empty environment.
exec env -i PATH=/usr/bin:/bin TMPDIR={folder}/$2/tmp STUB_RULES="$STUB_RULES" sh -c "$3"
"""
NOT_SHARED = """\
import os
from harness.pytest_plugin import context
if "PYTEST_XDIST_WORKER" in os.environ:
    context.JOURNALS = "on-another-disk"
"""


class Hosts:
    """Makes separate environments, and a fake ssh command that runs in them."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def add(self, name: str, *, files: dict[str, str] | None = None) -> tuple[str, ...]:
        """Return the options for a worker on a new host; `files` are put before its packages."""
        home = self._folder / name
        venv.create(home, with_pip=False, symlinks=True)
        (packages,) = home.glob("lib/python*/site-packages")
        for path, text in (files or {}).items():
            (packages / path).parent.mkdir(exist_ok=True)
            (packages / path).write_text(text)
        installed = [path for path in sys.path if path.endswith("site-packages")]
        (packages / "others.pth").write_text("\n".join([*installed, str(REPOSITORY), str(STUBS)]))
        work = home / "work"
        for folder in (work, home / "tmp"):
            folder.mkdir()
        (work / NO_EXPECTATIONS).mkdir()
        return ("--tx", f"ssh={name}//python={home}/bin/python//chdir={work}")


@pytest.fixture
def hosts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Hosts:
    commands = tmp_path / "commands"
    commands.mkdir()
    ssh = commands / "ssh"
    ssh.write_text(STAND_IN_FOR_SSH.format(folder=tmp_path))
    ssh.chmod(0o755)
    monkeypatch.setenv("PATH", str(commands), prepend=":")
    return Hosts(tmp_path)


def test_hosts_judge_one_run_together(run_pytest: RunPytest, hosts: Hosts) -> None:
    alone = run_pytest(*SMALL, "--hypothesis-seed", "5", run_dir="alone")
    options = (*hosts.add("one"), *hosts.add("two"), *SMALL, "--hypothesis-seed", "5")
    together = run_pytest("-d", *options, run_dir="together")
    assert together.status == 0, together.output
    assert together.run.records == alone.run.records
    assert together.run.header.planned == alone.run.header.planned
    assert {line.process for line in together.run.started} == {"gw0", "gw1"}


def test_a_host_without_the_run_folder_sends_its_records(
    run_pytest: RunPytest, hosts: Hosts, project: Path, tmp_path: Path
) -> None:
    (project / "not_shared.py").write_text(NOT_SHARED)
    host = hosts.add("one", files={"not_shared.py": NOT_SHARED})
    rules = [rule("exit")]
    result = run_pytest("-d", *host, *SMALL, "--config-module", "not_shared", rules=rules)
    assert result.outcomes(CELL) == ["passed", "passed", "crashed", *["skipped"] * AFTER_CHECKER]
    assert len(result.run.records) == 8 * len(LADDER)
    assert sorted(path.name for path in result.directory.iterdir()) == [
        "architectures",
        "index.html",
        "judges.log",
        "run.jsonl",
    ]
    assert not list((tmp_path / "one" / "tmp").iterdir())


def test_a_host_with_other_versions_is_refused_in_one_line(
    run_pytest: RunPytest, hosts: Hosts
) -> None:
    older = "Metadata-Version: 2.1\nName: onnxscript\nVersion: 0.0.1\n"
    other = hosts.add("two", files={"onnxscript-0.0.1.dist-info/METADATA": older})
    result = run_pytest("-d", *hosts.add("one"), *other, *SMALL)
    assert result.status == 4
    (line,) = [line for line in result.output.splitlines() if "onnxscript" in line]
    assert line.startswith("ERROR: worker gw1: has onnxscript 0.0.1 on ")
    assert "install the same versions on every host" in line
    assert "replacing crashed worker" not in result.output
    assert result.run.records == {}
