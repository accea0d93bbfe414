"""Changed files are found with git, in real repositories."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from harness.errors import UsageError
from harness.matrix.changed_files import ChangedFile, changed_definitions, changed_files

Git = Callable[..., None]
OPTION = "--changed-since"


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    path = tmp_path / "repository"
    path.mkdir()
    return path


@pytest.fixture
def git(repository: Path, monkeypatch: pytest.MonkeyPatch) -> Git:
    """Runs git in a repository with one commit on `main` and the branch `work` checked out."""
    for name in [name for name in os.environ if name.startswith("GIT_")]:
        monkeypatch.delenv(name)

    def run(*arguments: str) -> None:
        identity = ("-c", "user.name=a", "-c", "user.email=a@b.invalid")
        subprocess.run(
            ["git", *identity, *arguments], cwd=repository, check=True, capture_output=True
        )

    run("init", "--initial-branch", "main")
    for name in ("kept", "edited", "deleted", "renamed"):
        (repository / f"{name}.txt").write_text(f"{name}\nof the first commit\n")
    run("add", "--all")
    run("commit", "--message", "first")
    run("checkout", "-b", "work")
    return run


def found(repository: Path, ref: str = "main") -> dict[str, tuple[bytes | None, bytes | None]]:
    files = changed_files(ref, repository, subject=OPTION)
    return {file.path: (file.before, file.after) for file in files}


def test_nothing_differs_at_first(git: Git, repository: Path) -> None:
    assert found(repository) == {}


def test_all_kinds_of_changes_are_found(git: Git, repository: Path) -> None:
    (repository / "edited.txt").write_text("committed")
    (repository / "deleted.txt").unlink()
    git("mv", "renamed.txt", "new name.txt")
    git("add", "--all")
    git("commit", "--message", "second")
    (repository / "edited.txt").write_text("and edited again")
    (repository / "staged.txt").write_text("staged")
    git("add", "staged.txt")
    (repository / "ümläut\n.txt").write_text("untracked")
    renamed = b"renamed\nof the first commit\n"
    assert found(repository) == {
        "edited.txt": (b"edited\nof the first commit\n", b"and edited again"),
        "deleted.txt": (b"deleted\nof the first commit\n", None),
        "renamed.txt": (renamed, None),
        "new name.txt": (None, renamed),
        "staged.txt": (None, b"staged"),
        "ümläut\n.txt": (None, b"untracked"),
    }


def test_later_commits_of_the_other_branch_do_not_count(git: Git, repository: Path) -> None:
    git("checkout", "main")
    (repository / "kept.txt").write_text("edited by another")
    git("commit", "--all", "--message", "theirs")
    git("checkout", "work")
    assert found(repository) == {}


def test_ignored_files_do_not_count(git: Git, repository: Path) -> None:
    (repository / ".gitignore").write_text("runs/\n")
    (repository / "runs").mkdir()
    (repository / "runs" / "run.jsonl").touch()
    assert list(found(repository)) == [".gitignore"]


def test_a_folder_inside_sees_the_whole_repository(git: Git, repository: Path) -> None:
    (repository / "inner").mkdir()
    (repository / "kept.txt").write_text("edited")
    (file,) = changed_files("main", repository / "inner", subject=OPTION)
    assert file.location == repository / "kept.txt"


@pytest.mark.parametrize("ref", ["mian", "", "--all", "main..work", "HEAD~7"])
def test_a_revision_that_does_not_exist_is_named(git: Git, repository: Path, ref: str) -> None:
    with pytest.raises(UsageError) as caught:
        changed_files(ref, repository, subject=OPTION)
    assert str(caught.value).startswith(f"{OPTION} {ref!r}: ")
    assert "\n" not in str(caught.value)


def test_branches_without_a_common_commit_are_refused(git: Git, repository: Path) -> None:
    git("checkout", "--orphan", "alone")
    git("commit", "--message", "other root")
    with pytest.raises(UsageError, match="or has no common commit with HEAD"):
        changed_files("main", repository, subject=OPTION)


def test_a_folder_without_a_repository_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"--changed-since 'main': .*not a git repository"):
        changed_files("main", tmp_path, subject=OPTION)


def test_a_machine_without_git_is_reported(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(UsageError, match=r"'main': git cannot be run .*; install it"):
        changed_files("main", tmp_path, subject=OPTION)


def changed(path: str, before: str | None, after: str | None) -> ChangedFile:
    sides = [None if side is None else side.encode() for side in (before, after)]
    return ChangedFile(root=Path("/"), path=path, before=sides[0], after=sides[1])


@pytest.mark.parametrize(
    ("path", "before", "after"),
    [
        ("a.py", "x = {'a':1}  # one", "# two\nx = {\n    'a': 1,\n}"),
        ("a.py", '"""Doc."""\ndef f():\n    """One."""\n    return 1', "def f(): return 1"),
        ("a.py", "class A:\n    b = 1\n    '''Says b.'''", "class A:\n    b = 1"),
        ("a.json", '{"b": 1, "a": [1.5]}', '{\n "a": [1.5],\n "b": 1\n}'),
        ("a.toml", "a = 1 # one\n[b]\nc = 'x'", '# two\na = 1\n\n[b]\nc = "x"'),
        ("constraints.txt", "a==1  # why\n\nb==2", "# pins\na==1\nb==2\n"),
    ],
)
def test_another_wording_means_the_same(path: str, before: str, after: str) -> None:
    assert changed(path, before, after).is_cosmetic


@pytest.mark.parametrize(
    ("path", "before", "after"),
    [
        ("a.py", "x = 1", "x = 2"),
        ("a.py", "x = 1", "x = 1.0"),
        ("a.py", "x = 1", "x = ("),
        ("a.py", "def f(a, b): pass", "def f(b, a): pass"),
        ("a.json", '{"a": 1}', '{"a": true}'),
        ("a.json", '{"a": 1}', '{"a": 1.0}'),
        ("a.json", "[1, 2]", "[2, 1]"),
        ("a.json", "{}", "{"),
        ("a.toml", "a = 1", "a = '1'"),
        ("constraints.txt", "a==1", "a==2"),
        ("a.sh", "ls", "ls #"),
        ("a.py", None, "x = 1"),
        ("a.py", "x = 1", None),
    ],
)
def test_another_meaning_counts(path: str, before: str | None, after: str | None) -> None:
    assert not changed(path, before, after).is_cosmetic


@pytest.mark.parametrize(
    ("before", "after", "names"),
    [
        ("class A: x = 1\nclass B: x = 1", "class B:\n    x = 1\nclass A:\n    x = 2", {"A"}),
        ("class A: pass", "class B: pass", {"A", "B"}),
        ("def f(): pass\nX = 1", "def f(): return\nX = 2", {"f", ""}),
        ("import a", "import b", {""}),
        ("class A: pass", "class A(", {""}),
        (None, "class A: pass", {"A"}),
    ],
)
def test_the_definitions_that_differ(before: str | None, after: str, names: set[str]) -> None:
    assert changed_definitions(changed("a.py", before, after)) == names
