"""Text of the two files that `scaffold` writes."""

from __future__ import annotations

import json
import re
import textwrap
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING

import harness
from harness.cli.scaffold_draft import Draft
from harness.configs.axis_space import AxisRange
from harness.configs.base import OnnxConfig
from harness.configs.setting import Setting
from harness.configs.tabled_inputs import TabledInput, TabledPlaceholder
from harness.configs.value_kinds import KINDS
from harness.evidence.fixture_text import with_member

if TYPE_CHECKING:
    from harness.inference.description import FoundDescription

WIDTH = 100
_SHORT = 40


def module_stem(architecture: str) -> str:
    """Return an importable module name: model types may have hyphens."""
    return re.sub(r"\W", "_", architecture)


def fixture_text(draft: Draft) -> str:
    """Return the text of the file of the tiny model."""
    text = '{\n  "config": {}\n}\n'
    for name, value in draft.fixture.items():
        text = with_member(text, name, value)
    return text


def module_text(draft: Draft, *, standalone: bool) -> str:
    """Return the text of the module with the description: rows, or a class that says more.

    A `standalone` module lives outside of this repository: it imports the public API and registers
    its own fixtures folder.
    """
    body = "\n\n".join((*_rows(draft), *_classes(draft)))
    names = {**_names(draft, standalone=standalone)}
    used = {name: home for name, home in names.items() if re.search(rf"\b{name}\b", body)}
    groups = _imports(used, standalone=standalone)
    setup = '\nregister_fixtures(Path(__file__).parent / "fixtures")\n' if standalone else ""
    head = f'"""{draft.title}, as scaffold found it."""\n\nfrom __future__ import annotations\n\n'
    return f"{head}{groups}{setup}\n\n{''.join(_comments(draft))}{body}"


def _names(draft: Draft, *, standalone: bool) -> Mapping[str, str]:
    """Return each name that a module may use, with the module to import it from."""
    found = {
        "TaskTable": "harness.configs.tabled",
        "TabledInput": "harness.configs.tabled_inputs",
        "TabledPlaceholder": "harness.configs.tabled_inputs",
        "Setting": "harness.configs.setting",
        "AxisRange": "harness.configs.axis_space",
        "DummyTextInputGenerator": "harness.configs.text_inputs",
        "Mapping": "collections.abc",
        "NormalizedTextAndVisionConfig": "harness.configs.normalized_config",
        "NormalizedTextConfig": "harness.configs.normalized_config",
        "Row": "harness.configs.rows",
        "register": "harness.configs.tasks",
        "register_rows": "harness.configs.rows",
    }
    classes = {*draft.rows, *(base for one in draft.tabled for base in one.bases)}
    found |= {described.__name__: described.__module__ for described in classes}
    if not standalone:
        return found
    return {n: "harness" if _is_public(n, home) else home for n, home in found.items()}


def _is_public(name: str, home: str) -> bool:
    return home.startswith("harness.") and hasattr(harness, name)


def _imports(used: Mapping[str, str], *, standalone: bool) -> str:
    """Return the import lines, the standard library first."""
    own = dict(used)
    if standalone:
        own |= {"Path": "pathlib", "register_fixtures": "harness"}
    homes: dict[str, list[str]] = {}
    for name, home in own.items():
        homes.setdefault(home, []).append(name)
    lines = {home: _import(home, names) for home, names in homes.items()}
    first = [lines[home] for home in sorted(lines) if not home.startswith("harness")]
    rest = [lines[home] for home in sorted(lines) if home.startswith("harness")]
    return "\n\n".join("\n".join(group) for group in (first, rest) if group) + "\n"


def _import(home: str, names: Iterable[str]) -> str:
    """Return an import, on a line for each name if it is long."""
    ordered = sorted(names, key=lambda name: (name.islower(), name))
    line = f"from {home} import {', '.join(ordered)}"
    if len(line) <= WIDTH:
        return line
    return f"from {home} import (\n" + "".join(f"    {name},\n" for name in ordered) + ")"


def _comments(draft: Draft) -> Iterator[str]:
    for note in draft.notes:
        lines = textwrap.wrap(note, WIDTH, initial_indent="# ", subsequent_indent="# ")
        yield "\n".join(lines) + "\n"


def _rows(draft: Draft) -> Iterator[str]:
    """Yield a row for each registered class that describes some tasks, or a class with its end."""
    for number, (described, findings) in enumerate(draft.rows.items()):
        tasks = tuple(dict.fromkeys(task for one in findings for task in one.tasks))
        title = draft.title + ("" if number == 0 else _camel(tasks[0]))
        like = findings[0].likeness.like if findings[0].likeness else ""
        text = _ended if draft.unreached else _row
        yield text(draft, described, title=title, tasks=tasks, like=like)


def _row(
    draft: Draft, described: type[OnnxConfig], *, title: str, tasks: Sequence[str], like: str
) -> str:
    return (
        "register_rows(\n"
        f"    {described.__name__},\n"
        "    Row(\n"
        f'        "{draft.architecture}",\n'
        f'        "{title}",\n'
        f"        {_tuple(tasks, indent=8)},\n"
        f'        "the same inputs, axes and outputs as {like} by experiment",\n'
        "    ),\n"
        ")\n"
    )


def _ended(
    draft: Draft, described: type[OnnxConfig], *, title: str, tasks: Sequence[str], like: str
) -> str:
    return (
        f"{_decorator(draft, tasks)}"
        f"class {title}OnnxConfig({described.__name__}):\n"
        f'    """{draft.title} behaves like {like}."""\n'
        "\n"
        "    @property\n"
        "    def axis_ceilings(self) -> Mapping[str, int]:\n"
        "        # Measured: eager accepts fewer positions than the configuration declares.\n"
        "        ceilings = super().axis_ceilings\n"
        f"        return {{axis: limit - {draft.unreached} for axis, limit in ceilings.items()}}\n"
    )


def _decorator(draft: Draft, tasks: Sequence[str]) -> str:
    return f'@register(\n    "{draft.architecture}",\n    tasks={_tuple(tasks, indent=4)},\n)\n'


def _classes(draft: Draft) -> Iterator[str]:
    """Yield the class of the tasks that tables describe."""
    tables = draft.tabled
    if not tables:
        return
    title = draft.title + (_camel(tables[0].task) if draft.rows else "")
    members = "\n".join(_members(tables))
    bases = ", ".join(one.__name__ for one in max((one.bases for one in tables), key=len))
    yield (
        f"{_decorator(draft, [one.task for one in tables])}"
        f"class {title}OnnxConfig({bases}):\n"
        f'    """{draft.title}. Numbers in expressions hold for the tiny configuration."""\n'
        f"\n{textwrap.indent(members, '    ', lambda line: bool(line.strip()))}\n"
    )


def _members(tables: Sequence[FoundDescription]) -> Iterator[str]:
    vocabulary = next((one.vocabulary for one in tables if one.vocabulary), None)
    if vocabulary is not None:
        yield "DUMMY_INPUT_GENERATOR_CLASSES = (DummyTextInputGenerator,)"
        yield _normalized(vocabulary)
    divided = sorted({name for one in tables for name in one.divided})
    if divided:
        yield f"DIVIDED_AXES = frozenset({{{', '.join(map(_quoted, divided))}}})"
    ranges = {name: one for table in reversed(tables) for name, one in table.ranges.items()}
    if ranges:
        yield _block("AXIS_RANGES = {", ((n, _range(one)) for n, one in sorted(ranges.items())))
    ceilings = {axis: one for table in tables for axis, one in table.ceilings.items()}
    if ceilings:
        yield _block("CEILINGS = {", ((n, _size(one)) for n, one in sorted(ceilings.items())))
    yield "TABLES = {\n" + "".join(_table(one) for one in tables) + "}"


def _normalized(vocabulary: Setting) -> str:
    from harness.inference.description import text_config

    base, names = text_config(vocabulary)
    arguments = ", ".join(f"{name}={_quoted(path)}" for name, path in names.items())
    is_default = all(name == path for name, path in names.items())
    return f"NORMALIZED_CONFIG_CLASS = {base.__name__}" + (
        "" if is_default else f".with_args({arguments})"
    )


def _block(start: str, entries: Iterable[tuple[str, str]]) -> str:
    lines = "".join(f"    {_quoted(name)}: {text},\n" for name, text in entries)
    return f"{start}\n{lines}}}"


def _table(one: FoundDescription) -> str:
    inputs = [f"{_quoted(name)}: {_input(own)}" for name, own in one.table.inputs.items()]
    outputs = [f"{_quoted(name)}: {_axes(own)}" for name, own in one.table.outputs.items()]
    return (
        f"    {_quoted(one.task)}: TaskTable(\n        {_braced(inputs)},\n"
        f"        {_braced(outputs)},\n{_placeholders(one)}    ),\n"
    )


def _braced(entries: Iterable[str]) -> str:
    lines = "".join(f"            {entry},\n" for entry in entries)
    return f"{{\n{lines}        }}"


def _input(own: TabledInput) -> str:
    """Return an input on one line, or on several if it is long."""
    parts = [_quoted(own.kind), _sizes(own.axes)]
    parts += [_size(own.high)] if KINDS[own.kind].is_bounded else []
    parts += [f"sides={_sizes(own.sides)}"] if own.sides else []
    return _called("TabledInput", parts)


def _placeholders(one: FoundDescription) -> str:
    """Return the placeholders of a table, or nothing. One on a line has no line of its own."""
    entries = [_placeholder(own) for own in one.table.placeholders]
    if not entries:
        return ""
    if len(entries) == 1 and "\n" not in entries[0]:
        return f"        ({entries[0]},),\n"
    return "        (\n" + "".join(f"            {entry},\n" for entry in entries) + "        ),\n"


def _placeholder(own: TabledPlaceholder) -> str:
    parts = [_quoted(own.modality), _size(own.token), _size(own.count)]
    parts += [] if own.is_scattered else ["is_scattered=False"]
    return _called("TabledPlaceholder", parts)


def _called(name: str, parts: Sequence[str]) -> str:
    if sum(map(len, parts)) <= _SHORT:
        return f"{name}({', '.join(parts)})"
    return f"{name}(" + "".join(f"\n{16 * ' '}{part}," for part in parts) + f"\n{12 * ' '})"


def _sizes(axes: Sequence[str | int | Setting]) -> str:
    """Return axes on one line, or on several if they are long."""
    parts = list(map(_size, axes))
    line = f"({', '.join(parts)}{',' if len(parts) == 1 else ''})"
    if len(line) + 16 < WIDTH:
        return line
    return "(" + "".join(f"\n{20 * ' '}{part}," for part in parts) + f"\n{16 * ' '})"


def _axes(axes: Mapping[int, str]) -> str:
    """Return the axes of an output on one line, or on several if they are long."""
    parts = [f"{index}: {_quoted(text)}" for index, text in axes.items()]
    if sum(map(len, parts)) <= _SHORT:
        return f"{{{', '.join(parts)}}}"
    return "{" + "".join(f"\n{16 * ' '}{part}," for part in parts) + f"\n{12 * ' '}}}"


def _range(one: AxisRange) -> str:
    step = f", step={one.step}" if one.step > 1 else ""
    return f"AxisRange({one.low}, {one.high}, export={one.export}{step})"


def _size(size: str | int | Setting) -> str:
    """Return an axis, a size or a setting as source."""
    if isinstance(size, Setting):
        return f"Setting({_quoted(size.path)})"
    return _quoted(size) if isinstance(size, str) else str(size)


def _quoted(text: str) -> str:
    return json.dumps(text)


def _camel(task: str) -> str:
    return "For" + "".join(word.capitalize() for word in task.split("-"))


def _tuple(tasks: Sequence[str], *, indent: int) -> str:
    if len(tasks) == 1:
        return f'("{tasks[0]}",)'
    edge = " " * indent
    lines = "".join(f'{edge}    "{task}",\n' for task in tasks)
    return f"(\n{lines}{edge})"
