"""Files that differ from a git revision, and the Python definitions that changed in them."""

from __future__ import annotations

import ast
import subprocess
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from harness.configs.rows import SUFFIX
from harness.errors import UsageError
from harness.matrix.normalized_content import normalize_content, syntax_tree

_HINT = "give a branch, tag or commit of a git checkout that has its history"


@dataclass(frozen=True, slots=True, kw_only=True)
class ChangedFile:
    """One changed file: its content before and after, None if the file does not exist there.

    `path` is relative to `root`, the top folder of the repository.
    """

    root: Path
    path: str
    before: bytes | None
    after: bytes | None

    @property
    def location(self) -> Path:
        return self.root.resolve() / self.path

    @property
    def is_cosmetic(self) -> bool:
        """Whether only formatting, comments or docstrings differ."""
        if self.before is None or self.after is None:
            return False
        path = PurePosixPath(self.path)
        try:
            return normalize_content(path, self.before) == normalize_content(path, self.after)
        except (ValueError, SyntaxError):  # cannot be parsed, so it counts as a real change
            return False


def changed_files(ref: str, directory: Path, *, subject: str) -> tuple[ChangedFile, ...]:
    """Return the files that differ between the working tree and the merge base of `ref` and HEAD.

    `directory` is any folder of the repository. Uncommitted and untracked files count; a renamed
    file is one deleted and one added file. Raises UsageError that starts with `subject` if git is
    not installed, there is no repository, or `ref` is not a revision of it.
    """
    option = f"{subject} {ref!r}"
    root = Path(_git(directory, "rev-parse", "--show-toplevel", option=option).decode().strip())
    commit = f"{ref}^{{commit}}"
    _git(root, "rev-parse", "--verify", "--quiet", "--end-of-options", commit, option=option)
    base = _git(root, "merge-base", "--", ref, "HEAD", option=option).decode().strip()
    differing = _git(root, "diff", "--name-only", "--no-renames", "-z", base, "--", option=option)
    untracked = _git(root, "ls-files", "--others", "--exclude-standard", "-z", option=option)
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


def _git(directory: Path, *arguments: str, option: str) -> bytes:
    """Run git and return its output; raises UsageError that starts with `option` if it fails."""
    try:
        done = _run(directory, *arguments)
    except OSError as error:
        raise UsageError(f"{option}: git cannot be run ({error.strerror}); install it") from error
    if done.returncode != 0:
        stderr = " ".join(done.stderr.decode(errors="replace").split())
        reason = stderr or "it is not a revision here, or has no common commit with HEAD"
        raise UsageError(f"{option}: {reason}; {_HINT}")
    return done.stdout


def _run(directory: Path, *arguments: str) -> subprocess.CompletedProcess[bytes]:
    return subprocess.run(
        ["git", "-C", str(directory), *arguments], capture_output=True, check=False
    )


def changed_definitions(file: ChangedFile) -> frozenset[str]:
    """Return the top-level classes and functions of a Python file that changed.

    The class that a row of `register_rows` makes is one of them.
    A definition that uses a changed name counts as changed too. The name "" stands for all other
    statements, and for the whole file if it cannot be parsed.
    """
    try:
        before, after = (_definitions(side or b"") for side in (file.before, file.after))
    except (ValueError, SyntaxError):
        return frozenset({""})
    differing = {name for name in {*before, *after} if _dump(before, name) != _dump(after, name)}
    return _add_users(differing, after)


def _definitions(source: bytes) -> dict[str, list[ast.AST]]:
    found: dict[str, list[ast.AST]] = {}
    for statement in syntax_tree(source.decode()).body:
        for name, node in _named_nodes(statement):
            found.setdefault(name, []).append(node)
    return found


def _named_nodes(statement: ast.stmt) -> Iterator[tuple[str, ast.AST]]:
    """Yield the name and content of a definition, or of each class that a table makes."""
    match statement:
        case ast.Expr(value=ast.Call(func=ast.Name(id="register_rows"), args=[like, *rows])):
            for row in rows:
                yield _class_of_row(row), ast.Tuple([like, row])
        case _:
            yield getattr(statement, "name", ""), statement


def _class_of_row(row: ast.expr) -> str:
    match row:
        case ast.Call(args=[_, ast.Constant(value=str(name)), *_]):
            return f"{name}{SUFFIX}"
    return ""


def _dump(definitions: Mapping[str, list[ast.AST]], name: str) -> list[str]:
    return [ast.dump(node) for node in definitions.get(name, ())]


def _add_users(names: set[str], definitions: Mapping[str, list[ast.AST]]) -> frozenset[str]:
    """Return `names` and all definitions that use one of them, directly or through others."""
    used = {
        name: {n.id for node in nodes for n in ast.walk(node) if isinstance(n, ast.Name)}
        for name, nodes in definitions.items()
    }
    found, known = set(names), set[str]()
    while found != known:
        known = set(found)
        found |= {name for name, others in used.items() if others & known}
    return frozenset(found)
