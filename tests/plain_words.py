"""`make lint`: refuses phrases that readers stumbled over, in code, documents and page texts.

A sentence is understood at first reading, without the code. Each phrase stands for a kind of
sentence that had to be rewritten; say who does what, in the present tense.
"""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from rich.console import Console

ROOT = Path(__file__).parents[1]
SUFFIXES = {".py", ".pyi", ".md", ".j2", ".js"}
REWRITTEN_LATER = ("harness/configs/",)
"""The description language is rewritten as a whole, with its words."""
OTHERS = ("CHANGELOG.md", "tests/plain_words.py", "tests/test_plain_words.py")
"""A changelog is history; the last two quote the phrases."""

PHRASES = {
    r"gone on with": "resumed",
    r"\b(?:is|are) none\b(?! of)": "say what is missing",
    r"\b(?:of|than) (?:ours|theirs)\b": "name the noun",
    r"\blet(?:s|ting)? go of\b": "release, drop, close",
    r"\bnobody\b": "name who does not",
    r"\bby which\b": "start a new sentence",
    r"\bwhat it (?:takes|makes|made|leaves|has|had|says|said)\b": "use a noun",
    r"\b[Tt]hose (?:of|that|which)\b": "repeat the noun",
    r"\b(?:where|if) there is none\b": "if X is missing",
    r"\bthat is none\b": "say what it is",
    r"\bNone where\b": "None if",
    r"\b(?:is|are|was|were) told\b": "report, receive, distinguish",
    r"\btell(?:s)? apart\b": "distinguish",
    r"\bminds\b": "name the effect",
    r"\bwhoever\b": "name who",
}


@dataclass(frozen=True, slots=True)
class Stumble:
    """A phrase in a line of a file."""

    path: str
    line: int
    phrase: str
    instead: str

    def __str__(self) -> str:
        return f"{self.path}:{self.line}: {self.phrase!r}; {self.instead}"


def stumbles(path: str, text: str) -> Iterator[Stumble]:
    """Yield the phrases of a text that must not come back."""
    for number, line in enumerate(text.splitlines(), start=1):
        for phrase, instead in PHRASES.items():
            found = re.search(phrase, line)
            if found:
                yield Stumble(path, number, found[0], instead)


def read_files(root: Path) -> Iterator[tuple[str, str]]:
    """Yield path and text of the files that git tracks and that people read."""
    command = ["git", "-C", str(root), "ls-files", "-co", "--exclude-standard", "-z"]
    listing = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    for name in sorted(filter(None, listing.split("\0"))):
        path = root / name
        is_left_out = name.startswith(REWRITTEN_LATER) or name in OTHERS
        if path.suffix in SUFFIXES and path.is_file() and not is_left_out:
            yield name, path.read_text(encoding="utf-8")


def main() -> int:
    """Print each phrase found; the status is 1 if there is one."""
    found = [one for name, text in read_files(ROOT) for one in stumbles(name, text)]
    console = Console(highlight=False, markup=False, soft_wrap=True)
    for one in found:
        console.print(str(one))
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
