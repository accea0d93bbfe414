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
    """Return the text of the module with the config class.

    A `standalone` module lives outside of this repository: it imports the public API and registers
    its own fixtures folder.
    """
    head = f'"""{draft.title}, described like {draft.like}."""\n'
    imports = "from __future__ import annotations\n\n" + _imports(draft, standalone=standalone)
    setup = '\nregister_fixtures(Path(__file__).parent / "fixtures")\n' if standalone else ""
    described = "".join(_comments(draft)) + _registration(draft) + _class(draft)
    return f"{head}\n{imports}{setup}\n\n{described}"


def _imports(draft: Draft, *, standalone: bool) -> str:
    parent = draft.parent.__name__
    if standalone:
        public = {"harness": ["register", "register_fixtures"]}
        home = "harness" if hasattr(harness, parent) else draft.parent.__module__
    else:
        public = {"harness.configs.tasks": ["register"]}
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


def _registration(draft: Draft) -> str:
    tasks = "".join(f'        "{task}",\n' for task in draft.tasks)
    return f'@register(\n    "{draft.architecture}",\n    tasks=(\n{tasks}    ),\n)\n'


def _class(draft: Draft) -> str:
    text = f"class {draft.class_name}({draft.parent.__name__}):\n"
    text += f'    """{draft.title} behaves like {draft.like}."""\n'
    if not draft.unreached:
        return text
    return text + (
        "\n"
        "    @property\n"
        "    def axis_ceilings(self) -> Mapping[str, int]:\n"
        "        # Measured: eager accepts fewer positions than the configuration declares.\n"
        "        ceilings = super().axis_ceilings\n"
        f"        return {{axis: limit - {draft.unreached} for axis, limit in ceilings.items()}}\n"
    )
