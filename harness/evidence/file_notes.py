"""Notes on ONNX files: properties that a verdict in float32 does not cover.

A file with such a property can differ from eager PyTorch although its exporter did nothing wrong.
"""

from __future__ import annotations

import re
import textwrap
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from harness.evidence.onnx_file import all_nodes, graph_inputs, graph_outputs, parse_onnx
from harness.evidence.tensors import stored_tensors

if TYPE_CHECKING:
    import onnx

ONLY_FLOAT32 = "float32 files are compared here, and `check` judges others in steps"
HALF_TYPES = {"FLOAT16": "float16", "BFLOAT16": "bfloat16"}
SENTENCE_EMBEDDING = "sentence_embedding"
SENTENCE_TRANSFORMERS = (
    f"this is a sentence-transformers export: its pooling ({SENTENCE_EMBEDDING}) is not supported "
    "and not judged; `export` writes and judges its transformer alone"
)
ONE_SCALE = "DynamicQuantizeLinear"
"""It computes one scale for its whole input, so for all rows of a batch:
https://onnx.ai/onnx/operators/onnx__DynamicQuantizeLinear.html"""

CODES = {"INT8", "UINT8", "INT4", "UINT4", "INT2", "UINT2"}
"""Types of weights that a graph may turn into floats without a quantised operator."""

SHOWN_ENTRIES, SHOWN_CHARACTERS = 8, 100
"""Entries of a file's metadata, and characters of each, that a note shows."""

_QUANTISED = re.compile(
    r"(De|Dynamic)?[Qq]uantize\w+|QLinear\w+|\w*Integer(ToFloat)?|\w+(NBits|Bnb4|FpQ4|Fp8)"
    r"|GatherBlockQuantized|Q(Attention|Gemm|EmbedLayerNormalization|MoE|OrderedMatMul)"
)
"""Operators of ai.onnx and com.microsoft that store or compute quantised values:
https://github.com/microsoft/onnxruntime/blob/main/docs/ContribOperators.md"""


def notes_on_files(files: Mapping[str, Path]) -> tuple[str, ...]:
    """Return the notes on the files of all parts, each with the names of its files."""
    found: dict[str, list[str]] = {}
    for path in dict.fromkeys(files.values()):
        for note in notes_on_file(parse_onnx(path)):
            found.setdefault(note, []).append(path.name)
    return tuple(f"{', '.join(names)}: {note}" for note, names in found.items())


def notes_on_file(model: onnx.ModelProto) -> Iterator[str]:
    """Yield notes on scales that rows share, a pooled output and metadata."""
    if any(node.op_type == ONE_SCALE for node in all_nodes(model)):
        yield f"{ONE_SCALE} has one scale for a whole batch, so a row depends on the others"
    if SENTENCE_EMBEDDING in graph_outputs(model):
        yield SENTENCE_TRANSFORMERS
    if model.metadata_props:
        yield f"metadata: {', '.join(_show_metadata(model))}"


def _show_metadata(model: onnx.ModelProto) -> Iterator[str]:
    """Yield each entry of a file's metadata as `key = value`, cut where it is long."""
    entries = sorted((entry.key, entry.value) for entry in model.metadata_props)
    for key, value in entries[:SHOWN_ENTRIES]:
        yield textwrap.shorten(f"{key} = {value}", SHOWN_CHARACTERS, placeholder=" ...")
    if len(entries) > SHOWN_ENTRIES:
        yield f"{len(entries) - SHOWN_ENTRIES} more"


def explain_quantised_operators(model: onnx.ModelProto) -> str | None:
    """Return a text that names the quantised operators of a file; None if it has none of them."""
    names = {node.op_type for node in all_nodes(model) if _QUANTISED.fullmatch(node.op_type)}
    codes = {
        t.name for t in stored_tensors(model) if t.dtype in CODES and any(n > 1 for n in t.dims)
    }
    if any(node.op_type == "Cast" and codes & set(node.input) for node in all_nodes(model)):
        names.add("Cast of integer weights")
    if not names:
        return None
    listed = ", ".join(sorted(names))
    return f"this file is quantised ({listed}): its values differ from float32 by design"


def explain_half_precision(model: onnx.ModelProto) -> str | None:
    """Return a text if weights, inputs or outputs of a file are float16 or bfloat16; else None.

    Single numbers do not count as weights.
    """
    values = (*graph_inputs(model).values(), *graph_outputs(model).values())
    dtypes = {value.dtype for value in values} & set(HALF_TYPES.values())
    weights = {t.dtype for t in stored_tensors(model) if any(size > 1 for size in t.dims)}
    dtypes |= {name for stored, name in HALF_TYPES.items() if stored in weights}
    if not dtypes:
        return None
    return f"{ONLY_FLOAT32}, and this file has {' and '.join(sorted(dtypes))} values"
