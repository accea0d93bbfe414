"""A recurrence over the tokens of a prompt that can be exported for every length.

A trace of a Python loop holds for one length. torch.export has an operator for loops, and
TorchScript compiles them. Imports torch, so descriptions import this module when they export.
"""

from __future__ import annotations

import functools
from collections.abc import Callable

import torch
from torch import Tensor


def selective_scan(kept: Tensor, added: Tensor, queries: Tensor) -> tuple[Tensor, Tensor]:
    """Return the last state, and the product of each token's state with its query.

    A state [batch, width, size] is `kept` times the state before, which is 0 at first, plus
    `added`. These two are [length, batch, width, size], `queries` are [length, batch, size].
    """
    before = torch.zeros_like(kept[0])
    if torch.jit.is_tracing():
        return _compiled_loop()(before, kept, added, queries)
    # The public `scan` calls torch.compile, which replaces methods of all modules for good.
    from torch._higher_order_ops.scan import scan_op

    last, outputs = scan_op(
        lambda *token: list(_step(*token)), [before], [kept, added, queries], ()
    )
    return last, outputs


def _step(state: Tensor, kept: Tensor, added: Tensor, query: Tensor) -> tuple[Tensor, Tensor]:
    now = kept * state + added
    return now, (now @ query.unsqueeze(-1)).squeeze(-1)


def _loop(state: Tensor, kept: Tensor, added: Tensor, queries: Tensor) -> tuple[Tensor, Tensor]:
    outputs = []
    for token in range(kept.shape[0]):
        state, output = _step(state, kept[token], added[token], queries[token])
        outputs.append(output)
    return state, torch.stack(outputs)


@functools.cache
def _compiled_loop() -> Callable[..., tuple[Tensor, Tensor]]:
    compiled: Callable[..., tuple[Tensor, Tensor]] = torch.jit.script(_loop)
    return compiled
