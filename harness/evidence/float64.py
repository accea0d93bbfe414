"""A model in float64, which costs the memory of one layer if the whole would cost too much."""

from __future__ import annotations

import contextlib
import math
from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import numpy as np
    import torch
    from torch import nn

LIMIT = 2**30
"""A model of at most this many bytes in float64 is kept in float64 between calls."""

_Widened = list[tuple["nn.Module", str, "torch.Tensor"]]
"""Module, name and float32 tensor of each parameter or buffer that float64 replaced."""


def float64_copy(model: nn.Module, *, limit: int = LIMIT) -> nn.Module:
    """Return a copy of the model that computes in float64; the model itself stays as it is.

    If its weights would need more than `limit` bytes, each layer is converted when it is called,
    and back afterwards. The outputs have the same bits, and the memory grows by the largest layer
    and by what lies outside of layers, such as embeddings. The copy shares all other weights with
    the model.

    Experts run one after the other, since the grouped product does not support float64.
    """
    from harness.exporters._wrapper import export_copy

    wide: Any = export_copy(model)
    if hasattr(wide, "set_experts_implementation"):
        wide.set_experts_implementation("eager")
    layers = [] if _bytes_in_float64(model) <= limit else list(_outermost_layers(wide))
    inside = {id(module) for layer in layers for module in layer.modules()}
    _widen(module for module in wide.modules() if id(module) not in inside)
    for layer in layers:
        _widen_during_calls(layer)
    copy: nn.Module = wide
    return copy


@contextlib.contextmanager
def float64_by_default() -> Iterator[None]:
    """Let torch make float64 tensors where a model states no dtype, and read masks as float64.

    Some models fill masks with the least number of their dtype, which no float32 tensor can hold.
    """
    import torch

    before = torch.get_default_dtype()
    torch.set_default_dtype(torch.float64)
    try:
        with _wide_masks():
            yield
    finally:
        torch.set_default_dtype(before)


def float64_everywhere() -> contextlib.AbstractContextManager[Any]:
    """Return a mode in which models that ask for float32 get float64.

    Some models multiply numbers that they convert to float32 by weights, which float64 forbids.
    """
    import torch
    from torch.overrides import TorchFunctionMode

    def wide(value: Any) -> Any:
        return torch.float64 if value is torch.float32 else value

    class Mode(TorchFunctionMode):
        def __torch_function__(
            self, func: Any, types: Any, args: Any = (), kwargs: Any = None
        ) -> Any:
            keywords = {name: wide(value) for name, value in (kwargs or {}).items()}
            called = torch.Tensor.double if func is torch.Tensor.float else func
            return called(*map(wide, args), **keywords)

    return Mode()


def _wide_masks() -> contextlib.AbstractContextManager[Any]:
    """Return a mode in which attention gets its float masks in the dtype of the queries.

    On a CPU, PyTorch 2.13 reads a float32 mask beside float64 queries as other numbers. A float32
    mask times a number that float32 cannot hold becomes float64 as well: 0 times it is NaN.
    """
    import torch
    from torch import Tensor
    from torch.nn.functional import scaled_dot_product_attention
    from torch.overrides import TorchFunctionMode

    products = {torch.mul, Tensor.mul, Tensor.__mul__, Tensor.__rmul__}

    class Mode(TorchFunctionMode):
        def __torch_function__(
            self, func: Any, types: Any, args: Any = (), kwargs: Any = None
        ) -> Any:
            keywords = dict(kwargs or {})
            mask = keywords.get("attn_mask")
            if func is scaled_dot_product_attention and mask is not None:
                keywords["attn_mask"] = mask.to(args[0].dtype) if mask.is_floating_point() else mask
            if func in products and any(map(_is_beyond_float32, args)):
                args = [one.double() if isinstance(one, Tensor) else one for one in args]
            return func(*args, **keywords)

    return Mode()


def _is_beyond_float32(value: Any) -> bool:
    """Whether a value is a finite number that float32 cannot hold."""
    import torch

    return isinstance(value, float) and torch.finfo(torch.float32).max < abs(value) < math.inf


def as_float32(array: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
    """Return a float64 array in float32; finite numbers out of its range become its limits."""
    import numpy as np

    limits = np.finfo(np.float32)
    fitting = np.where(np.isinf(array), array, np.clip(array, limits.min, limits.max))
    narrow: np.ndarray[Any, Any] = fitting.astype(np.float32)
    return narrow


def _bytes_in_float64(model: nn.Module) -> int:
    return sum(8 * t.numel() for t in model.state_dict().values() if t.is_floating_point())


def _outermost_layers(module: nn.Module) -> Iterator[nn.Module]:
    """Yield the elements of each list of modules that lies in no other list."""
    from torch import nn

    for child in module.children():
        if isinstance(child, (nn.ModuleList, nn.Sequential)):
            yield from child.children()
        else:
            yield from _outermost_layers(child)


def _widen_during_calls(layer: nn.Module) -> None:
    calls: list[_Widened] = []

    def before(_: nn.Module, args: object) -> None:
        calls.append(_widen(layer.modules()))

    def after(_: nn.Module, args: object, result: object) -> None:
        for module, name, tensor in calls.pop():
            setattr(module, name, tensor)

    layer.register_forward_pre_hook(before)
    layer.register_forward_hook(after, always_call=True)


def _widen(modules: Iterable[nn.Module]) -> _Widened:
    """Replace the floating-point tensors of the modules by float64 ones.

    A tensor that several modules share is converted once. Attributes are set by name, since some
    modules keep lists of their weights.
    """
    from torch import nn

    replaced: _Widened = []
    wide: dict[int, torch.Tensor] = {}
    for module in modules:
        own = [*module.named_parameters(recurse=False), *module.named_buffers(recurse=False)]
        for name, tensor in (pair for pair in own if pair[1].is_floating_point()):
            if id(tensor) not in wide:
                double = tensor.detach().double()
                is_weight = isinstance(tensor, nn.Parameter)
                wide[id(tensor)] = nn.Parameter(double, False) if is_weight else double
            setattr(module, name, wide[id(tensor)])
            replaced.append((module, name, tensor))
    return replaced
