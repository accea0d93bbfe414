"""Text of the two files that `scaffold` writes."""

from __future__ import annotations

import json
import re
import textwrap
from collections.abc import Iterator, Mapping

import harness
from harness.cli.scaffold_draft import Draft

WIDTH = 100


def module_stem(architecture: str) -> str:
    """Return an importable module name: model types may have hyphens."""
    return re.sub(r"\W", "_", architecture)


def fixture_text(draft: Draft) -> str:
    """Return the text of the file of the tiny model."""
    return json.dumps(draft.fixture, indent=2) + "\n"


def module_text(draft: Draft, *, standalone: bool) -> str:
    """Return the text of the module with the description: a row, or a class that says more.

    A `standalone` module lives outside of this repository: it imports the public API and registers
    its own fixtures folder.
    """
    head = f'"""{draft.title}, described like {draft.like}."""\n'
    imports = "from __future__ import annotations\n\n" + _imports(draft, standalone=standalone)
    setup = '\nregister_fixtures(Path(__file__).parent / "fixtures")\n' if standalone else ""
    described = "".join(_comments(draft)) + (_class(draft) if draft.unreached else _table(draft))
    return f"{head}\n{imports}{setup}\n\n{described}"


def _imports(draft: Draft, *, standalone: bool) -> str:
    parent = draft.parent.__name__
    means = ["register"] if draft.unreached else ["Row", "register_rows"]
    if standalone:
        public = {"harness": [*means, "register_fixtures"]}
        home = "harness" if hasattr(harness, parent) else draft.parent.__module__
    else:
        public = {f"harness.configs.{'tasks' if draft.unreached else 'rows'}": means}
        home = draft.parent.__module__
    public.setdefault(home, []).append(parent)
    first = ["from collections.abc import Mapping"] if draft.unreached else []
    first += ["from pathlib import Path"] if standalone else []
    groups = ["\n".join(first), "\n".join(_import_lines(public))]
    return "\n\n".join(group for group in groups if group) + "\n"


def _import_lines(names: Mapping[str, list[str]]) -> Iterator[str]:
    for module, members in sorted(names.items()):
        yield f"from {module} import {', '.join(sorted(members))}"


def _comments(draft: Draft) -> Iterator[str]:
    for note in draft.notes:
        lines = textwrap.wrap(note, WIDTH, initial_indent="# ", subsequent_indent="# ")
        yield "\n".join(lines) + "\n"


def _table(draft: Draft) -> str:
    phrase = f"another name of {draft.like}"
    return (
        "register_rows(\n"
        f"    {draft.parent.__name__},\n"
        "    Row(\n"
        f'        "{draft.architecture}",\n'
        f'        "{draft.title}",\n'
        f"        {_tasks(draft, indent=8)},\n"
        f'        "{phrase}",\n'
        "    ),\n"
        ")\n"
    )


def _class(draft: Draft) -> str:
    return (
        "@register(\n"
        f'    "{draft.architecture}",\n'
        f"    tasks={_tasks(draft, indent=4)},\n"
        ")\n"
        f"class {draft.class_name}({draft.parent.__name__}):\n"
        f'    """{draft.title} behaves like {draft.like}."""\n'
        "\n"
        "    @property\n"
        "    def axis_ceilings(self) -> Mapping[str, int]:\n"
        "        # Measured: eager accepts fewer positions than the configuration declares.\n"
        "        ceilings = super().axis_ceilings\n"
        f"        return {{axis: limit - {draft.unreached} for axis, limit in ceilings.items()}}\n"
    )


def _tasks(draft: Draft, *, indent: int) -> str:
    edge = " " * indent
    lines = "".join(f'{edge}    "{task}",\n' for task in draft.tasks)
    return f"(\n{lines}{edge})"
