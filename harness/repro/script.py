"""Writes a script that shows a defect to people who have no harness: constants, then functions."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from harness.configs.base import ConfigBehavior
from harness.exporters.dynamo import dim_bounds
from harness.repro.literals import WIDTH, mapping, tensors
from harness.repro.pieces import constants, imports_for, pieces, used_names

if TYPE_CHECKING:
    import torch

    from harness.configs.base import OnnxConfig
    from harness.records import CellId

EXPORTS = {"dynamo": "export_dynamo", "torchscript": "export_torchscript"}
"""Exporter -> the function that makes its calls."""

_SHOWS = {
    "export": "show_export",
    "opset": "show_opset",
    "checker": "show_complaints",
    "runtime": "show_runtime",
    "padding": "show_padding",
}
FILE_ONLY = frozenset({"export", "opset", "checker"})
"""Requirements that are shown without running the file."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """What a script shows: a requirement of one part of a cell, and the feed that shows it.

    `settings` and `perturbation` make the tiny model; `said` are lines of ours for its reader.
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
    said: tuple[str, ...] = ()

    def of(self, part: str, config: OnnxConfig, feed: Mapping[str, torch.Tensor]) -> Case:
        """The same of another part."""
        return dataclasses.replace(self, part=part, config=config, feed=feed)


def script_of(case: Case) -> str:
    """The text of the script. The same case gives the same text."""
    call = _call(case)
    functions = pieces(used_names(call) & _known())
    values = _constants(case)
    body = "\n\n\n".join(functions.values())
    needed = used_names(f"{body}\n{call}")
    stated = {name: values[name] for name in constants() if name in needed}
    has_bytes = any("decoded(" in value for value in stated.values())
    reader = pieces(["decoded"])["decoded"] if has_bytes else ""
    assigned = "\n".join(f"{name} = {value}" for name, value in stated.items())
    imports = imports_for("\n".join([reader, assigned, body, call]))
    blocks = [imports, reader, assigned, body, f'if __name__ == "__main__":\n    {call}']
    return "\n".join([*_preface(case), "", "\n\n\n".join(filter(None, blocks)), ""])


def _known() -> frozenset[str]:
    return frozenset({*EXPORTS.values(), *_SHOWS.values(), *_KINDS, *_MAKERS}) | {
        "call",
        "call_decoder",
        "call_with_past",
        "end",
        "show_difference",
    }


_KINDS = ("Flat", "FlatDecoder", "FlatWithPast")
_MAKERS = ("make_encoder", "make_model")


def _call(case: Case) -> str:
    """The last line, which says of what the script is made."""
    config = case.config
    is_decoder = config.behavior is ConfigBehavior.DECODER
    make = "make_encoder" if config.behavior is ConfigBehavior.ENCODER else "make_model"
    flat, eager = "Flat", "call"
    if is_decoder:
        flat, eager = "FlatDecoder", "call_decoder"
    elif config.use_past_in_inputs:
        flat, eager = "FlatWithPast", "call_with_past"
    show = _SHOWS.get(case.requirement, "show_difference")
    arguments = [show, make, flat]
    if show in ("show_difference", "show_padding"):
        arguments.append(eager)
    return f"end({', '.join([*arguments, EXPORTS[case.cell.exporter]])})"


def _constants(case: Case) -> dict[str, str]:
    config = case.config
    width = config.normalized_config.encoder_hidden_size if _is_decoder(config) else 0
    return {
        "MODEL_CLASS": f"transformers.{case.model_class}",
        "SETTINGS": mapping(case.settings),
        "SEED": repr(case.perturbation["seed"]),
        "MATRIX_STD": repr(case.perturbation["matrix_std"]),
        "VECTOR_STD": repr(case.perturbation["vector_std"]),
        "BUFFERS": repr(case.perturbation.get("buffers", [])),
        "OPSET": repr(case.cell.opset),
        "ATOL": repr(config.atol),
        "INPUTS": mapping(config.inputs),
        "OUTPUTS": mapping(config.outputs),
        "KEYWORDS": mapping(config.model_kwargs),
        "DIMS": mapping(dim_bounds(config)),
        "ENCODER_WIDTH": repr(width),
        "TRACED": tensors(config.generate_dummy_inputs()),
        "FEED": tensors(case.feed),
    }


def _is_decoder(config: OnnxConfig) -> bool:
    return config.behavior is ConfigBehavior.DECODER


def _preface(case: Case) -> Iterator[str]:
    """Comments, since what a run says may hold any characters and no comment ends before its line
    does."""
    part = f", part {case.part}" if case.part != "model" else ""
    versions = ", ".join(f"{name} {version}" for name, version in case.versions.items())
    texts = (
        f"{case.cell}{part}: {case.requirement}",
        *case.said,
        f"Found with {versions}; needs nothing else. Status 1: the defect shows; 0: it does not; "
        "2: something else went wrong.",
    )
    for index, text in enumerate(texts):
        if index:
            yield "#"
        for line in text.splitlines() or [""]:
            yield from (f"# {found}" for found in _wrapped(_printable(line)))


def _printable(text: str) -> str:
    return "".join(c if c.isprintable() else "?" for c in text)


def _wrapped(text: str) -> list[str]:
    import textwrap

    return textwrap.wrap(text, WIDTH - 2, break_on_hyphens=False)
