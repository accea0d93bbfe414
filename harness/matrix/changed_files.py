"""Which files differ from a revision, by git, and whether they differ in what they mean."""

from __future__ import annotations

import ast
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from harness.errors import UsageError
from harness.matrix.meaning import meaning_of, syntax_tree

_HINT = "give a branch, tag or commit of a git checkout that has its history"


@dataclass(frozen=True, slots=True, kw_only=True)
class ChangedFile:
    """One file that differs; None stands for a side on which it does not exist."""

    root: Path
    path: str
    before: bytes | None
    after: bytes | None

    @property
    def location(self) -> Path:
        return self.root.resolve() / self.path

    @property
    def is_reworded_only(self) -> bool:
        """Whether only its formatting, comments or docstrings differ."""
        if self.before is None or self.after is None:
            return False
        path = PurePosixPath(self.path)
        try:
            return meaning_of(path, self.before) == meaning_of(path, self.after)
        except (ValueError, SyntaxError):  # then nobody can tell
            return False


def changed_files(ref: str, directory: Path, *, subject: str) -> tuple[ChangedFile, ...]:
    """What differs between the working tree around `directory` and where `ref` branched off.

    What is not committed or not tracked counts too; a renamed file is one deleted and one added.
    Raises UsageError that starts with `subject` where there is no git, no repository, or no such
    revision in it.
    """
    told = f"{subject} {ref!r}"
    root = Path(_git(directory, "rev-parse", "--show-toplevel", told=told).decode().strip())
    commit = f"{ref}^{{commit}}"
    _git(root, "rev-parse", "--verify", "--quiet", "--end-of-options", commit, told=told)
    base = _git(root, "merge-base", "--", ref, "HEAD", told=told).decode().strip()
    differing = _git(root, "diff", "--name-only", "--no-renames", "-z", base, "--", told=told)
    untracked = _git(root, "ls-files", "--others", "--exclude-standard", "-z", told=told)
    paths = sorted({name.decode() for name in (differing + untracked).split(b"\0") if name})
    return tuple(_changed(root, path, base) for path in paths)


def _changed(root: Path, path: str, base: str) -> ChangedFile:
    location = root / path
    shown = _run(root, "cat-file", "blob", f"{base}:{path}")
    return ChangedFile(
        root=root,
        path=path,
        before=shown.stdout if shown.returncode == 0 else None,
        after=location.read_bytes() if location.is_file() else None,
    )


def _git(directory: Path, *arguments: str, told: str) -> bytes:
    try:
        done = _run(directory, *arguments)
    except OSError as error:
        raise UsageError(f"{told}: git cannot be run ({error.strerror}); install it") from error
    if done.returncode != 0:
        said = " ".join(done.stderr.decode(errors="replace").split())
        reason = said or "there is no such revision, or none that it shares with HEAD"
        raise UsageError(f"{told}: {reason}; {_HINT}")
    return done.stdout


def _run(directory: Path, *arguments: str) -> subprocess.CompletedProcess[bytes]:
    return subprocess.run(
        ["git", "-C", str(directory), *arguments], capture_output=True, check=False
    )


def changed_definitions(file: ChangedFile) -> frozenset[str]:
    """The names of the top-level classes and functions of a Python file that differ, or that
    mention one that does.

    An empty name stands for its other statements, and for all of a file that cannot be parsed.
    """
    try:
        before, after = (_definitions(side or b"") for side in (file.before, file.after))
    except (ValueError, SyntaxError):
        return frozenset({""})
    differing = {
        name for name in {*before, *after} if _dumped(before, name) != _dumped(after, name)
    }
    return _with_mentioning(differing, after)


def _definitions(source: bytes) -> dict[str, list[ast.stmt]]:
    found: dict[str, list[ast.stmt]] = {}
    for node in syntax_tree(source.decode()).body:
        found.setdefault(getattr(node, "name", ""), []).append(node)
    return found


def _dumped(definitions: Mapping[str, list[ast.stmt]], name: str) -> list[str]:
    return [ast.dump(node) for node in definitions.get(name, ())]


def _with_mentioning(names: set[str], definitions: Mapping[str, list[ast.stmt]]) -> frozenset[str]:
    mentioned = {
        name: {n.id for node in nodes for n in ast.walk(node) if isinstance(n, ast.Name)}
        for name, nodes in definitions.items()
    }
    found, known = set(names), set[str]()
    while found != known:
        known = set(found)
        found |= {name for name, others in mentioned.items() if others & known}
    return frozenset(found)
