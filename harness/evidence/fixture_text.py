"""Edit the text of a tiny model's file. All that is not edited stays as it is formatted."""

from __future__ import annotations

import json
import re
import textwrap
from collections.abc import Iterator, Mapping
from typing import Any

WIDTH = 100
INDENT = "  "
_NO_BREAK = "\0"
_BETWEEN = re.compile(r"[\s:,]*")


def with_member(text: str, name: str, value: Mapping[str, Any]) -> str:
    """Return the text of a JSON object in which a member has another value.

    A member that the object lacks becomes its last one. `text` must be valid, and must have a
    member.
    """
    last = 0
    for key, start, end in _members(text):
        if key == name:
            return text[:start] + _value_text(name, value) + text[end:]
        last = end
    return f"{text[:last]},\n{INDENT}{json.dumps(name)}: {_value_text(name, value)}{text[last:]}"


def _members(text: str) -> Iterator[tuple[str, int, int]]:
    """Yield the name of each outermost member, and where its value begins and ends."""
    decoder = json.JSONDecoder()
    position = text.index("{") + 1
    while text[position := _skip(text, position)] != "}":
        name, position = decoder.raw_decode(text, position)
        start = _skip(text, position)
        _, position = decoder.raw_decode(text, start)
        yield name, start, position


def _skip(text: str, position: int) -> int:
    found = _BETWEEN.match(text, position)
    return position if found is None else found.end()


def _value_text(name: str, value: Mapping[str, Any]) -> str:
    """Return the value in lines of up to 100 columns beside its name; entries are not divided."""
    opening = f'{INDENT}"{name}": {{'
    entries = (f"{json.dumps(key)}:{_NO_BREAK}{json.dumps(known)}" for key, known in value.items())
    lines = textwrap.wrap(
        ", ".join(entries),
        WIDTH - len("},"),
        initial_indent=opening,
        subsequent_indent=" " * len(opening),
        break_long_words=False,
        break_on_hyphens=False,
    )
    text = "\n".join(lines).replace(_NO_BREAK, " ")
    return "{" + text.removeprefix(opening) + "}"
