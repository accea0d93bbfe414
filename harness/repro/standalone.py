"""What scripts are made of: models, eager PyTorch, exports. `harness.repro.pieces` takes those
functions that a script needs from here and from `harness.repro.showing`, word for word, and they
read the constants that the script states above them.

So nothing here knows the harness. What that does with care, for the sake of many cells (copies of
models, shared traces, kept references), is done in the plainest way here.
"""

from __future__ import annotations

import base64
import fnmatch
from pathlib import Path
from typing import Any

import numpy as np
import torch
import transformers
from transformers.modeling_outputs import BaseModelOutput

MODEL_CLASS: Any
SETTINGS: dict[str, Any]
SEED: int
MATRIX_STD: float
VECTOR_STD: float
BUFFERS: list[str]
OPSET: int
INPUTS: dict[str, dict[int, str]]
OUTPUTS: dict[str, dict[int, str]]
KEYWORDS: dict[str, Any]
DIMS: dict[str, tuple[int, int | None]]
ENCODER_WIDTH: int
TRACED: dict[str, torch.Tensor]


def decoded(text: str, dtype: str, shape: tuple[int, ...]) -> torch.Tensor:
    """A tensor from its bytes, which are little-endian and in base64."""
    array = np.frombuffer(base64.b64decode(text), dtype).reshape(shape)
    return torch.from_numpy(array.copy())


def make_model() -> Any:
    """A tiny model whose weights are redrawn, so that every input matters."""
    model = MODEL_CLASS.from_config(transformers.AutoConfig.for_model(**SETTINGS))
    generator = torch.Generator().manual_seed(SEED)
    with torch.no_grad():
        for name, parameter in sorted(model.named_parameters()):
            noise = torch.randn(parameter.shape, generator=generator)
            is_scale = parameter.ndim == 1 and name.endswith(".weight")
            std = MATRIX_STD if parameter.ndim > 1 else VECTOR_STD
            parameter.copy_(float(is_scale) + noise * std)
        for name, buffer in sorted(model.named_buffers()):
            if any(fnmatch.fnmatchcase(name, glob) for glob in BUFFERS):
                buffer.add_(torch.randn(buffer.shape, generator=generator) * VECTOR_STD)
    return model.eval().requires_grad_(False)


def make_encoder() -> Any:
    return make_model().get_encoder()


def pop_layers(named: dict[str, Any], side: str) -> list[tuple[torch.Tensor, torch.Tensor]]:
    """Take the keys and values of a cache out of the named tensors."""
    pairs: list[tuple[torch.Tensor, torch.Tensor]] = []
    while (prefix := f"past_key_values.{len(pairs)}{side}") + ".key" in named:
        pairs.append((named.pop(f"{prefix}.key"), named.pop(f"{prefix}.value")))
    return pairs


def output_of(outputs: Any, name: str) -> torch.Tensor:
    """An output by its name in the file, such as `present.0.key`."""
    if not name.startswith("present."):
        value: torch.Tensor = outputs[name]
        return value
    _, index, *side, part = name.split(".")
    cache = outputs.past_key_values
    if side:
        cache = cache.cross_attention_cache if "encoder" in side else cache.self_attention_cache
    layer = cache.layers[int(index)]
    tensor: torch.Tensor = layer.keys if part == "key" else layer.values
    return tensor


def filled(pairs: list[tuple[torch.Tensor, torch.Tensor]]) -> Any:
    """A cache as a generation has it: nothing in it before the first token."""
    cache = transformers.DynamicCache()
    for layer, (key, value) in enumerate(pairs):
        if key.shape[2]:
            cache.update(key.clone(), value.clone(), layer)
    return cache


def call(model: Any, feed: dict[str, torch.Tensor]) -> dict[str, np.ndarray[Any, Any]]:
    """Eager PyTorch, as its users call it."""
    with torch.no_grad():
        outputs = model(**feed)
    return {name: output_of(outputs, name).numpy() for name in OUTPUTS}


def call_with_past(model: Any, feed: dict[str, torch.Tensor]) -> dict[str, np.ndarray[Any, Any]]:
    """Eager PyTorch, as a generation calls it that goes on from a cache."""
    named: dict[str, Any] = dict(feed)
    cache = filled(pop_layers(named, ""))
    with torch.no_grad():
        outputs = model(**named, past_key_values=cache, use_cache=True)
    return {name: output_of(outputs, name).numpy() for name in OUTPUTS}


def call_decoder(model: Any, feed: dict[str, torch.Tensor]) -> dict[str, np.ndarray[Any, Any]]:
    """Eager PyTorch, as a generation calls it that has encoded its input."""
    named = dict(feed)
    own, cross = pop_layers(named, ".decoder"), pop_layers(named, ".encoder")
    keywords: dict[str, Any] = {"decoder_input_ids": named["input_ids"], **KEYWORDS}
    if "encoder_attention_mask" in named:
        keywords["attention_mask"] = named["encoder_attention_mask"]
    hidden = named.get("encoder_hidden_states")
    if hidden is None:
        key = cross[0][0]
        hidden = key.new_full((key.shape[0], key.shape[2], ENCODER_WIDTH), torch.nan)
        cache = transformers.EncoderDecoderCache(filled(own), filled(cross))
        keywords["past_key_values"] = cache
    encoded = BaseModelOutput(last_hidden_state=hidden)
    with torch.no_grad():
        outputs = model(**keywords, encoder_outputs=encoded)
    return {name: output_of(outputs, name).numpy() for name in OUTPUTS}


class Flat(torch.nn.Module):
    """What is exported: tensors in as INPUTS has them, tensors out as OUTPUTS has them."""

    def __init__(self, model: Any) -> None:
        super().__init__()
        self.model = model
        self.eval()

    def forward(self, *tensors: torch.Tensor) -> tuple[torch.Tensor, ...]:
        named = dict(zip(INPUTS, tensors, strict=True))
        outputs = self.model(**named, **KEYWORDS, return_dict=True)
        return tuple(output_of(outputs, name) for name in OUTPUTS)


class FlatWithPast(torch.nn.Module):
    """What is exported: tensors in and out, the cache rebuilt from them inside."""

    def __init__(self, model: Any) -> None:
        super().__init__()
        self.model = model
        self.eval()

    def forward(self, *tensors: torch.Tensor) -> tuple[torch.Tensor, ...]:
        named: dict[str, Any] = dict(zip(INPUTS, tensors, strict=True))
        cache = transformers.DynamicCache(pop_layers(named, ""))
        outputs = self.model(**named, past_key_values=cache, **KEYWORDS, return_dict=True)
        return tuple(output_of(outputs, name) for name in OUTPUTS)


class FlatDecoder(torch.nn.Module):
    """What is exported: tensors in and out, the encoder's output and the cache rebuilt inside."""

    def __init__(self, model: Any) -> None:
        super().__init__()
        self.model = model
        self.eval()

    def forward(self, *tensors: torch.Tensor) -> tuple[torch.Tensor, ...]:
        named: dict[str, Any] = dict(zip(INPUTS, tensors, strict=True))
        own, cross = pop_layers(named, ".decoder"), pop_layers(named, ".encoder")
        keywords: dict[str, Any] = {"decoder_input_ids": named["input_ids"], **KEYWORDS}
        if "encoder_attention_mask" in named:
            keywords["attention_mask"] = named["encoder_attention_mask"]
        hidden = named.get("encoder_hidden_states")
        if hidden is None:
            key = cross[0][0]
            hidden = key.new_zeros(key.shape[0], key.shape[2], ENCODER_WIDTH)
            keywords["past_key_values"] = transformers.EncoderDecoderCache(
                transformers.DynamicCache(own), transformers.DynamicCache(cross)
            )
        encoded = BaseModelOutput(last_hidden_state=hidden)
        outputs = self.model(**keywords, encoder_outputs=encoded, return_dict=True)
        return tuple(output_of(outputs, name) for name in OUTPUTS)


def export_dynamo(flat: Any, path: Path) -> None:
    dims = {name: torch.export.Dim(name, min=low, max=high) for name, (low, high) in DIMS.items()}
    shapes = tuple(
        {axis: dims.get(text, torch.export.Dim.DYNAMIC) for axis, text in axes.items()}
        for axes in INPUTS.values()
    )
    with torch.no_grad():
        program = torch.export.export(
            flat, tuple(TRACED.values()), dynamic_shapes=(shapes,), strict=False
        )
        exported: Any = torch.onnx.export(
            program,
            (),
            dynamo=True,
            input_names=list(INPUTS),
            output_names=list(OUTPUTS),
            opset_version=OPSET,
            dynamic_shapes=[dict(axes) for axes in INPUTS.values()],
            verbose=False,
        )
    exported.save(path)


def export_torchscript(flat: Any, path: Path) -> None:
    if OPSET < 14:  # scaled_dot_product_attention has no symbolic function there
        flat.model.set_attn_implementation("eager")
    with torch.no_grad():
        torch.onnx.export(
            flat,
            tuple(TRACED.values()),
            str(path),
            dynamo=False,
            input_names=list(INPUTS),
            output_names=list(OUTPUTS),
            dynamic_axes={**INPUTS, **OUTPUTS},
            opset_version=OPSET,
        )
