"""Compose a script that shows a defect without the harness: constants, then functions."""

from __future__ import annotations

import dataclasses
import textwrap
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from harness.configs.cache_layout import CacheKind
from harness.exporters._seen_tokens import SeenTokens
from harness.exporters.dynamo import dim_bounds
from harness.repro.changes import change_source
from harness.repro.definitions import constant_names, definitions_for, imports_for, used_names
from harness.repro.imports import import_lines
from harness.repro.literals import WIDTH, dict_literal, tensors_literal

if TYPE_CHECKING:
    import torch

    from harness.configs.base import OnnxConfig
    from harness.records import CellId

EXPORTS = {"dynamo": "export_dynamo", "torchscript": "export_torchscript"}
"""Exporter -> the script's function that calls it."""

_SHOW_FUNCTIONS = {
    "export": "show_export",
    "opset": "show_opset",
    "checker": "show_checker",
    "runtime": "show_runtime",
    "padding": "show_padding",
}
FILE_ONLY = frozenset({"export", "opset", "checker"})
"""Requirements that a script shows without running the file."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ScriptCase:
    """Content of a script: a requirement, one part of a cell, and the feed that shows it.

    `settings` and `perturbation` define the tiny model; `notes` become comments at the top.
    `is_prepared` says whether the exporter changes its copy of the model first.
    """

    cell: CellId
    requirement: str
    part: str
    config: OnnxConfig
    model_class: str
    settings: Mapping[str, Any]
    perturbation: Mapping[str, Any]
    feed: Mapping[str, torch.Tensor]
    versions: Mapping[str, str]
    notes: tuple[str, ...] = ()
    is_prepared: bool = False

    def for_part(
        self, part: str, config: OnnxConfig, feed: Mapping[str, torch.Tensor]
    ) -> ScriptCase:
        """Return the same case for another part."""
        return dataclasses.replace(self, part=part, config=config, feed=feed)


def script_text(case: ScriptCase) -> str:
    """Return the text of the script. The same case gives the same text."""
    changes = change_source(case.config, case.cell.exporter if case.is_prepared else None)
    call = _call(case, change="changed_" if changes.blocks else "")
    functions = definitions_for(used_names(call) & _callable_names())
    values = _constants(case)
    body = "\n\n\n".join(functions.values())
    needed = used_names("\n".join([*changes.blocks, body, call])) & values.keys()
    constants = {name: values[name] for name in constant_names() if name in needed}
    has_bytes = any("decode_tensor(" in value for value in constants.values())
    decoder = definitions_for(["decode_tensor"])["decode_tensor"] if has_bytes else ""
    assigned = "\n".join(f"{name} = {value}" for name, value in constants.items())
    code = "\n".join([decoder, assigned, body, call])
    imports = import_lines([*imports_for(code), *changes.imports])
    main = 'if __name__ == "__main__":\n' + textwrap.indent(call, "    ")
    blocks = [imports, decoder, assigned, *changes.blocks, body, main]
    return "\n".join([*_preface(case), "", "\n\n\n".join(filter(None, blocks)), ""])


def _callable_names() -> frozenset[str]:
    return frozenset({*EXPORTS.values(), *_SHOW_FUNCTIONS.values(), *_WRAPPERS, *_MAKERS}) | {
        "run_eager",
        "run_eager_part",
        "run_eager_with_past",
        "run_eager_with_states",
        "run_eager_with_windows",
        "run_and_exit",
        "show_difference",
    }


_WRAPPERS = (
    "ExportWrapper",
    "ExportWrapperWithPast",
    "ExportWrapperWithStates",
    "ExportWrapperWithWindows",
    "PartExportWrapper",
)
_MAKERS = ("make_model", "make_part", "make_changed_model", "make_changed_part")


def _call(case: ScriptCase, *, change: str) -> str:
    """Return the last line of the script: a call with the functions that the script needs."""
    config = case.config
    kind = "part" if config.call.module else "model"
    wrapper, eager = "ExportWrapper", "run_eager"
    if any(entry.kind is CacheKind.WINDOW for entry in config.cache):
        wrapper, eager = "ExportWrapperWithWindows", "run_eager_with_windows"
    elif config.call.arguments or config.call.objects or config.call.results:
        wrapper, eager = "PartExportWrapper", "run_eager_part"
    elif any(entry.kind is CacheKind.STATE for entry in config.cache):
        wrapper, eager = "ExportWrapperWithStates", "run_eager_with_states"
    elif config.use_past_in_inputs:
        wrapper, eager = "ExportWrapperWithPast", "run_eager_with_past"
    show = _SHOW_FUNCTIONS.get(case.requirement, "show_difference")
    arguments = [show, f"make_{change}{kind}", wrapper, EXPORTS[case.cell.exporter]]
    if show in ("show_difference", "show_padding"):
        arguments += [eager, f"make_{kind}"]
    line = f"run_and_exit({', '.join(arguments)})"
    if len(line) + 4 <= WIDTH:
        return line
    return "\n".join(["run_and_exit(", *(f"    {name}," for name in arguments), ")"])


def _constants(case: ScriptCase) -> dict[str, str]:
    config = case.config
    call = config.call
    ranges, seen = config.axis_space.ranges, SeenTokens.found_in(config)
    places = {e.name: (e.layer, e.place[0], e.place[1] or 0) for e in config.cache}
    unread = {name: (one.like, one.axes, one.width) for name, one in call.unread.items()}
    return {
        "MODEL_CLASS": f"transformers.{case.model_class}",
        "MODEL_CONFIG": dict_literal(case.settings),
        "SEED": repr(case.perturbation["seed"]),
        "MATRIX_STD": repr(case.perturbation["matrix_std"]),
        "VECTOR_STD": repr(case.perturbation["vector_std"]),
        "KERNEL_GAIN": repr(case.perturbation.get("kernel_gain", 0.0)),
        "PERTURBED_BUFFERS": repr(case.perturbation.get("buffers", [])),
        "OPSET": repr(case.cell.opset),
        "ATOL": repr(config.atol),
        "INPUT_AXES": dict_literal(config.inputs),
        "OUTPUT_AXES": dict_literal(config.outputs),
        "MODEL_KEYWORDS": dict_literal(config.model_kwargs),
        "DIM_BOUNDS": dict_literal(dim_bounds(config)),
        "DIM_STEPS": dict_literal({n: a.step for n, a in ranges.items() if a.step > 1}),
        "MODULE": repr(call.module),
        "ARGUMENTS": dict_literal(call.arguments),
        "OBJECTS": dict_literal(call.objects),
        "UNREAD": dict_literal(unread),
        "RESULTS": dict_literal({n: (r.held, r.join.value) for n, r in call.results.items()}),
        "CACHE_ARGUMENT": repr(call.cache),
        "CACHE_INPUTS": dict_literal({n: places[n] for n in places if n in config.inputs}),
        "CACHE_OUTPUTS": dict_literal({e.present: places[e.name] for e in config.cache}),
        "WINDOWS": dict_literal({e.layer: e.window for e in config.cache if e.window}),
        "SEEN": repr([*seen.places] if seen else []),
        "EXPORT_INPUTS": tensors_literal(config.generate_dummy_inputs()),
        "RUN_INPUTS": tensors_literal(case.feed),
    }


def _preface(case: ScriptCase) -> Iterator[str]:
    """Yield the comment lines at the top of the script.

    They are no docstring, since a message may contain quotes and backslashes.
    """
    part = f", part {case.part}" if case.part != "model" else ""
    versions = ", ".join(f"{name} {version}" for name, version in case.versions.items())
    texts = (
        f"{case.cell}{part}: {case.requirement}",
        *case.notes,
        f"Found with {versions}. Needs no other packages. Exit status 1: defect reproduced; "
        "0: no defect found; 2: the script itself failed.",
    )
    for index, text in enumerate(texts):
        if index:
            yield "#"
        for line in text.splitlines() or [""]:
            yield from (f"# {found}" for found in _wrapped(_printable(line)))


def _printable(text: str) -> str:
    return "".join(c if c.isprintable() else "?" for c in text)


def _wrapped(text: str) -> list[str]:
    return textwrap.wrap(text, WIDTH - 2, break_on_hyphens=False)
