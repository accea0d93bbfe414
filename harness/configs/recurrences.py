"""Recurrences over the tokens of a prompt that can be exported for every length.

A trace of a Python loop holds for one length. torch.export has an operator for loops, and
TorchScript compiles them. Tensors are [length, batch, ...]. Imports torch, so descriptions import
this module when they export.
"""

from __future__ import annotations

import functools
from collections.abc import Callable

import torch
from torch import Tensor


def selective_scan(kept: Tensor, added: Tensor, queries: Tensor) -> tuple[Tensor, Tensor]:
    """Return the last state, and the product of each token's state with its query.

    A state [batch, width, size] is `kept` times the state before, which is 0 at first, plus
    `added`. `queries` are [length, batch, size].
    """
    before = torch.zeros_like(kept[0])
    return _run(_select, _selecting, before, (kept, added, queries))


def gated_delta_scan(
    kept: Tensor, rates: Tensor, queries: Tensor, keys: Tensor, values: Tensor
) -> tuple[Tensor, Tensor]:
    """Return the last state, and the product of each token's state with its query.

    A state [batch, heads, key size, value size] is `kept` times the state before, which is 0 at
    first. Then it moves towards returning the token's value for its key, by a share of `rates`.
    """
    before = torch.zeros_like(keys[0].unsqueeze(-1) * values[0].unsqueeze(-2))
    return _run(_correct, _correcting, before, (kept, rates, queries, keys, values))


def _run(
    step: Callable[..., tuple[Tensor, Tensor]],
    loop: Callable[..., tuple[Tensor, Tensor]],
    before: Tensor,
    tokens: tuple[Tensor, ...],
) -> tuple[Tensor, Tensor]:
    """Run a step for each token, or the loop around the step while TorchScript traces."""
    if torch.jit.is_tracing():
        return _compiled(loop)(before, *tokens)
    # The public `scan` calls torch.compile, which replaces methods of all modules for good.
    from torch._higher_order_ops.scan import scan_op

    last, outputs = scan_op(lambda *given: list(step(*given)), [before], list(tokens), ())
    return last, outputs


@functools.cache
def _compiled(loop: Callable[..., tuple[Tensor, Tensor]]) -> Callable[..., tuple[Tensor, Tensor]]:
    compiled: Callable[..., tuple[Tensor, Tensor]] = torch.jit.script(loop)
    return compiled


def _select(state: Tensor, kept: Tensor, added: Tensor, query: Tensor) -> tuple[Tensor, Tensor]:
    now = kept * state + added
    return now, (now @ query.unsqueeze(-1)).squeeze(-1)


def _selecting(
    state: Tensor, kept: Tensor, added: Tensor, queries: Tensor
) -> tuple[Tensor, Tensor]:
    outputs = []
    for token in range(kept.shape[0]):
        state, output = _select(state, kept[token], added[token], queries[token])
        outputs.append(output)
    return state, torch.stack(outputs)


def _correct(
    state: Tensor, kept: Tensor, rate: Tensor, query: Tensor, key: Tensor, value: Tensor
) -> tuple[Tensor, Tensor]:
    faded = state * kept[..., None, None]
    missing = value - (faded * key.unsqueeze(-1)).sum(dim=-2)
    now = faded + key.unsqueeze(-1) * (missing * rate.unsqueeze(-1)).unsqueeze(-2)
    return now, (now * query.unsqueeze(-1)).sum(dim=-2)


def _correcting(
    state: Tensor, kept: Tensor, rates: Tensor, queries: Tensor, keys: Tensor, values: Tensor
) -> tuple[Tensor, Tensor]:
    outputs = []
    for token in range(kept.shape[0]):
        state, output = _correct(
            state, kept[token], rates[token], queries[token], keys[token], values[token]
        )
        outputs.append(output)
    return state, torch.stack(outputs)
