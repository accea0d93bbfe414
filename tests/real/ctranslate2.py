"""Read the weights of a Whisper that CTranslate2 has stored, as a state dict of transformers.

The format is written by `ctranslate2/specs/model_spec.py`, the names by
`ctranslate2/specs/whisper_spec.py`: https://github.com/OpenNMT/CTranslate2
"""

from __future__ import annotations

import re
import struct
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch

Array = np.ndarray[Any, Any]
DTYPES = ("float32", "int8", "int16", "int32", "float16")
"""The dtype of each type number of the format."""
MODULES = {
    "self_attention/linear_0": ("self_attn.q_proj", "self_attn.k_proj", "self_attn.v_proj"),
    "self_attention/linear_1": ("self_attn.out_proj",),
    "self_attention/layer_norm": ("self_attn_layer_norm",),
    "attention/linear_0": ("encoder_attn.q_proj",),
    "attention/linear_1": ("encoder_attn.k_proj", "encoder_attn.v_proj"),
    "attention/linear_2": ("encoder_attn.out_proj",),
    "attention/layer_norm": ("encoder_attn_layer_norm",),
    "ffn/linear_0": ("fc1",),
    "ffn/linear_1": ("fc2",),
    "ffn/layer_norm": ("final_layer_norm",),
    "embeddings": ("embed_tokens",),
    "position_encodings": ("embed_positions",),
}
"""Place of a variable -> modules of transformers. A place of several modules stacks their rows."""
PARAMETERS = {"gamma": "weight", "beta": "bias", "encodings": "weight"}
VARIABLE = re.compile(r"(?P<side>\w+)/(?:layer_(?P<layer>\d+)/)?(?P<place>.+)/(?P<leaf>\w+)")


def read_variables(path: Path) -> Iterator[tuple[str, Array]]:
    """Yield each variable of a `model.bin` with its name."""
    content, offset = path.read_bytes(), 0

    def take(size: int) -> bytes:
        nonlocal offset
        offset += size
        return content[offset - size : offset]

    def number(code: str) -> int:
        return int(struct.unpack(f"<{code}", take(struct.calcsize(code)))[0])

    def text() -> str:
        return take(number("H")).rstrip(b"\0").decode()

    version, name, _revision = number("I"), text(), number("I")
    assert (version, name) == (6, "WhisperSpec"), f"{path}: version {version} of {name}"
    for _ in range(number("I")):
        name, shape = text(), tuple(number("I") for _ in range(number("B")))
        dtype = DTYPES[number("B")]
        yield name, np.frombuffer(take(number("I")), dtype).reshape(shape)


def whisper_state(variables: Mapping[str, Array]) -> dict[str, torch.Tensor]:
    """Return float32 weights for `WhisperForConditionalGeneration`; numbers are left out.

    Keys have no bias in Whisper: the zeros that CTranslate2 stores for them are left out, too.
    """
    arrays = {name: value for name, value in variables.items() if value.ndim > 0}
    state = dict(pair for name, value in arrays.items() for pair in _renamed(name, value))
    for name in [name for name in state if name.endswith("k_proj.bias")]:
        assert not state.pop(name).any(), f"{name} is not zero"
    return {**state, "proj_out.weight": state["model.decoder.embed_tokens.weight"]}


def _renamed(name: str, value: Array) -> Iterator[tuple[str, torch.Tensor]]:
    """Yield the parameters that a variable consists of."""
    found = VARIABLE.fullmatch(name)
    assert found is not None, name
    modules = MODULES.get(found["place"], (found["place"],))
    owner = f"model.{found['side']}" + (f".layers.{found['layer']}" if found["layer"] else "")
    parameter = PARAMETERS.get(found["leaf"], found["leaf"])
    for module, rows in zip(modules, np.split(value, len(modules)), strict=True):
        yield f"{owner}.{module}.{parameter}", torch.tensor(rows, dtype=torch.float32)
