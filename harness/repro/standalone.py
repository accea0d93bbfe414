"""Functions of generated scripts: make the model, run it in eager PyTorch, export it.

`harness.repro.definitions` copies the functions that a script needs from here and from
`harness.repro.showing`, word for word. They read constants that the script sets above them; here
these constants are only declared.

So nothing here may import the harness. The code is as plain as possible: it makes a new model each
time and caches nothing.
"""

from __future__ import annotations

import base64
import fnmatch
from pathlib import Path
from typing import Any

import numpy as np
import torch
import transformers

MODEL_CLASS: Any
MODEL_CONFIG: dict[str, Any]
SEED: int
MATRIX_STD: float
VECTOR_STD: float
KERNEL_GAIN: float
PERTURBED_BUFFERS: list[str]
OPSET: int
INPUT_AXES: dict[str, dict[int, str]]
OUTPUT_AXES: dict[str, dict[int, str]]
MODEL_KEYWORDS: dict[str, Any]
DIM_BOUNDS: dict[str, tuple[int, int | None]]
DIM_STEPS: dict[str, int]
MODULE: str
ARGUMENTS: dict[str, str]
OBJECTS: dict[str, str]
UNREAD: dict[str, tuple[str, tuple[int, ...], int]]
RESULTS: dict[str, tuple[str, str]]
EXPORT_INPUTS: dict[str, torch.Tensor]


def decode_tensor(text: str, dtype: str, shape: tuple[int, ...]) -> torch.Tensor:
    """Return the tensor whose little-endian bytes are given in base64."""
    array = np.frombuffer(base64.b64decode(text), dtype).reshape(shape)
    return torch.from_numpy(array.copy())


def make_model() -> Any:
    """Return a tiny model with random weights, large enough that every input changes the output."""
    config = transformers.AutoConfig.for_model(**MODEL_CONFIG)
    model = getattr(MODEL_CLASS, "from_config", MODEL_CLASS)(config)
    generator = torch.Generator().manual_seed(SEED)
    with torch.no_grad():
        for name, parameter in sorted(model.named_parameters()):
            noise = torch.randn(parameter.shape, generator=generator)
            is_scale = parameter.ndim == 1 and name.endswith(".weight")
            std = MATRIX_STD if parameter.ndim > 1 else VECTOR_STD
            owner = type(model.get_submodule(name.rpartition(".")[0])).__name__
            if KERNEL_GAIN and parameter.ndim > 1 and owner in ("Conv1d", "Conv2d", "Conv3d"):
                std = KERNEL_GAIN * parameter[0].numel() ** -0.5
            parameter.copy_(float(is_scale) + noise * std)
        for name, buffer in sorted(model.named_buffers()):
            if any(fnmatch.fnmatchcase(name, glob) for glob in PERTURBED_BUFFERS):
                buffer.add_(torch.randn(buffer.shape, generator=generator) * VECTOR_STD)
    return model.eval().requires_grad_(False)


def make_part() -> Any:
    """Return the module of the tiny model that MODULE names."""
    return part_of(make_model())


def part_of(model: Any) -> Any:
    """Return the module or method of a model that MODULE names."""
    part = model
    for step in MODULE.split("."):
        part = getattr(part, step.removesuffix("()"))
        part = part() if step.endswith("()") else part
    return part


def pop_layers(named: dict[str, Any], side: str) -> list[tuple[torch.Tensor, torch.Tensor]]:
    """Remove the cached keys and values from the named tensors and return them, one pair per layer.

    `side` is ".decoder" or ".encoder" if the cache has both, else "".
    """
    pairs: list[tuple[torch.Tensor, torch.Tensor]] = []
    while (prefix := f"past_key_values.{len(pairs)}{side}") + ".key" in named:
        pairs.append((named.pop(f"{prefix}.key"), named.pop(f"{prefix}.value")))
    return pairs


def output_of(outputs: Any, name: str) -> torch.Tensor:
    """Return the model output that the ONNX file calls `name`, such as `present.0.key`."""
    if not name.startswith("present."):
        held, join = RESULTS.get(name, (name, "cat"))
        value: Any = outputs
        for step in filter(None, held.split(".")):
            value = value[int(step) if step.isdecimal() else step]
        return value if torch.is_tensor(value) else getattr(torch, join)(list(value))
    _, index, *side, part = name.split(".")
    cache = outputs.past_key_values
    if side:
        cache = cache.cross_attention_cache if "encoder" in side else cache.self_attention_cache
    layer = cache.layers[int(index)]
    tensor: torch.Tensor = layer.keys if part == "key" else layer.values
    return tensor


def make_cache(pairs: list[tuple[torch.Tensor, torch.Tensor]]) -> Any:
    """Return a cache with these keys and values, as in generation; empty ones are left out."""
    cache = transformers.DynamicCache()
    for layer, (key, value) in enumerate(pairs):
        if key.shape[2]:
            cache.update(key.clone(), value.clone(), layer)
    return cache


def run_eager(model: Any, feed: dict[str, torch.Tensor]) -> dict[str, np.ndarray[Any, Any]]:
    """Run the model in eager PyTorch and return its outputs by name."""
    with torch.no_grad():
        outputs = model(**feed)
    return {name: output_of(outputs, name).numpy() for name in OUTPUT_AXES}


def run_eager_with_past(
    model: Any, feed: dict[str, torch.Tensor]
) -> dict[str, np.ndarray[Any, Any]]:
    """Run the model in eager PyTorch with a cache of past tokens, as in generation."""
    named: dict[str, Any] = dict(feed)
    cache = make_cache(pop_layers(named, ""))
    with torch.no_grad():
        outputs = model(**named, past_key_values=cache, use_cache=True)
    return {name: output_of(outputs, name).numpy() for name in OUTPUT_AXES}


def part_keywords(
    named: dict[str, torch.Tensor], feed: dict[str, torch.Tensor], filler: float
) -> dict[str, Any]:
    """Return the arguments of the model for the named tensors, which hold no cache.

    Arguments in UNREAD, of which the model reads only the shape, are filled with `filler`.
    """
    given = {ARGUMENTS.get(name, name): tensor for name, tensor in named.items()}
    for name, (like, axes, width) in UNREAD.items():
        shape = [feed[like].shape[axis] for axis in axes]
        given[name] = feed[like].new_full((*shape, width), filler)
    keywords: dict[str, Any] = {name: value for name, value in given.items() if "." not in name}
    for name, kind in OBJECTS.items():
        start = f"{name}."
        fields = {key.partition(".")[2]: v for key, v in given.items() if key.startswith(start)}
        if kind == "list":
            keywords[name] = list(fields.values())
        else:
            keywords[name] = getattr(transformers.modeling_outputs, kind)(**fields)
    return keywords


def run_eager_part(model: Any, feed: dict[str, torch.Tensor]) -> dict[str, np.ndarray[Any, Any]]:
    """Run a part of the model in eager PyTorch, as in generation.

    If the cache holds the encoder's keys and values, the encoder output itself must not be read,
    so it is filled with NaN.
    """
    named = dict(feed)
    own, cross = pop_layers(named, ".decoder"), pop_layers(named, ".encoder")
    keywords = part_keywords(named, feed, torch.nan)
    if cross:
        cache = transformers.EncoderDecoderCache(make_cache(own), make_cache(cross))
        keywords["past_key_values"] = cache
    with torch.no_grad():
        outputs = model(**keywords, **MODEL_KEYWORDS)
    return {name: output_of(outputs, name).numpy() for name in OUTPUT_AXES}


class ExportWrapper(torch.nn.Module):
    """The exported module: takes the tensors of INPUT_AXES, returns the tensors of OUTPUT_AXES."""

    def __init__(self, model: Any) -> None:
        super().__init__()
        self.model = model
        self.eval()

    def forward(self, *tensors: torch.Tensor) -> tuple[torch.Tensor, ...]:
        named = dict(zip(INPUT_AXES, tensors, strict=True))
        outputs = self.model(**named, **MODEL_KEYWORDS, return_dict=True)
        return tuple(output_of(outputs, name) for name in OUTPUT_AXES)


class ExportWrapperWithPast(torch.nn.Module):
    """The exported module: takes and returns tensors; makes the model's cache inside."""

    def __init__(self, model: Any) -> None:
        super().__init__()
        self.model = model
        self.eval()

    def forward(self, *tensors: torch.Tensor) -> tuple[torch.Tensor, ...]:
        named: dict[str, Any] = dict(zip(INPUT_AXES, tensors, strict=True))
        cache = transformers.DynamicCache(pop_layers(named, ""))
        outputs = self.model(**named, past_key_values=cache, **MODEL_KEYWORDS, return_dict=True)
        return tuple(output_of(outputs, name) for name in OUTPUT_AXES)


class PartExportWrapper(torch.nn.Module):
    """The exported module of a part: takes and returns tensors.

    Inside, it makes the objects and the cache that the model expects.
    """

    def __init__(self, model: Any) -> None:
        super().__init__()
        self.model, self.owner = model, getattr(model, "__self__", None)
        self.eval()

    def forward(self, *tensors: torch.Tensor) -> tuple[torch.Tensor, ...]:
        feed = dict(zip(INPUT_AXES, tensors, strict=True))
        named = dict(feed)
        own, cross = pop_layers(named, ".decoder"), pop_layers(named, ".encoder")
        keywords = part_keywords(named, feed, 0.0)
        if cross:
            keywords["past_key_values"] = transformers.EncoderDecoderCache(
                transformers.DynamicCache(own), transformers.DynamicCache(cross)
            )
        kind = {} if RESULTS else {"return_dict": True}
        outputs = self.model(**keywords, **MODEL_KEYWORDS, **kind)
        return tuple(output_of(outputs, name) for name in OUTPUT_AXES)


def make_dim(name: str) -> Any:
    """Return torch.export's dim of an axis; a step means that sizes are its multiples."""
    low, high = DIM_BOUNDS[name]
    step = DIM_STEPS.get(name, 1)
    if step == 1:
        return torch.export.Dim(name, min=low, max=high)
    most = None if high is None else high // step
    return step * torch.export.Dim(f"{name}_in_steps", min=-(-low // step), max=most)


def export_dynamo(wrapper: Any, path: Path) -> None:
    """Export with torch.export and torch.onnx.export(dynamo=True)."""
    dims = {name: make_dim(name) for name in DIM_BOUNDS}
    shapes = tuple(
        {axis: dims.get(text, torch.export.Dim.DYNAMIC) for axis, text in axes.items()}
        for axes in INPUT_AXES.values()
    )
    with torch.no_grad():
        program = torch.export.export(
            wrapper, tuple(EXPORT_INPUTS.values()), dynamic_shapes=(shapes,), strict=False
        )
        exported: Any = torch.onnx.export(
            program,
            (),
            dynamo=True,
            input_names=list(INPUT_AXES),
            output_names=list(OUTPUT_AXES),
            opset_version=OPSET,
            dynamic_shapes=[dict(axes) for axes in INPUT_AXES.values()],
            verbose=False,
        )
    exported.save(path)


def export_torchscript(wrapper: Any, path: Path) -> None:
    """Export with torch.onnx.export(dynamo=False)."""
    with torch.no_grad():
        torch.onnx.export(
            wrapper,
            tuple(EXPORT_INPUTS.values()),
            str(path),
            dynamo=False,
            input_names=list(INPUT_AXES),
            output_names=list(OUTPUT_AXES),
            dynamic_axes={**INPUT_AXES, **OUTPUT_AXES},
            opset_version=OPSET,
        )
