"""Files that are correct by the ONNX standard but computed wrongly by a runtime.

The first ones are real: ONNX Runtime's optimiser multiplies the two scales of attention into one
number (MatMulScaleFusion). This number overflows although neither scale does, or it hides an
overflow of the unoptimised file. The others are stub sessions with defects from public reports.
"""

from __future__ import annotations

import numpy as np

from tests.faults.library import runtime_kinds as runtimes
from tests.faults.library.cases import Ran
from tests.faults.library.core import Fault
from tests.faults.library.edits_encoders import SELF
from tests.faults.library.runtime_kinds import Runtime
from tests.faults.library.subjects import BERT, CLIP, GPT2, LLAMA, VIT, Subject
from tests.faults.library.surgery import All, Array, Edit, Weight

POWER = 70
"""Twice this exceeds the largest float32 exponent; powers of 2 change only the exponent."""


def _scaled(place: str, exponent: int) -> Weight:
    """Multiply a stored tensor by a power of 2."""

    def change(array: Array) -> Array:
        return np.multiply(array, 2.0**exponent, dtype=array.dtype)

    return Weight(place, change)


def _fused_scale_overflows(query: str, key: str, attention: str) -> Edit:
    """Make projected queries and keys tiny, and their scales larger by the same factor."""
    sides = {query: "Mul", key: "Mul_1"}
    weights = [_scaled(f"{side}/{kind}", -POWER) for side in sides for kind in ("MatMul", "Add")]
    scales = [_scaled(f"{attention}{scale}", POWER) for scale in sides.values()]
    return All((*weights, *scales))


def _plain_scale_overflows(query_scale: str, key_scale: str) -> Edit:
    """Make queries overflow, and keys smaller by the same factor."""
    return All((_scaled(query_scale, 126), _scaled(key_scale, -126)))


BERT_ATTENTION = SELF.format(0)
VIT_ATTENTION = "layers.1/attention/"

REAL = (
    Fault(
        "fused-scale-overflows",
        BERT,
        ("agreement",),
        "the optimiser multiplies two scales, and their product overflows",
        Ran(
            _fused_scale_overflows(f"{BERT_ATTENTION}query", f"{BERT_ATTENTION}key", BERT_ATTENTION)
        ),
        ("microsoft/onnxruntime#11384",),
    ),
    Fault(
        "fused-scale-overflows",
        VIT,
        ("agreement",),
        "the optimiser multiplies two scales, and their product overflows",
        Ran(
            _fused_scale_overflows(
                f"{VIT_ATTENTION}q_proj", f"{VIT_ATTENTION}k_proj", VIT_ATTENTION
            )
        ),
        ("microsoft/onnxruntime#11384",),
    ),
    Fault(
        "plain-scale-overflows",
        BERT,
        ("runtime",),
        "queries overflow unless the optimiser fuses their scale with another",
        Ran(_plain_scale_overflows(f"{BERT_ATTENTION}Mul", f"{BERT_ATTENTION}Mul_1")),
        ("microsoft/onnxruntime#21345",),
    ),
    Fault(
        "plain-scale-overflows",
        LLAMA,
        ("runtime",),
        "queries overflow unless the optimiser fuses their scale with another",
        Ran(_plain_scale_overflows("layers.0/self_attn/Mul_8", "layers.0/self_attn/Mul_9")),
        ("microsoft/onnxruntime#21345",),
    ),
)


def _stub(
    name: str,
    subject: Subject,
    refused_by: str,
    runtime: Runtime,
    mechanism: str,
    *threads: str,
    at_stated: bool = False,
) -> Fault:
    case = Ran(runtime=runtime, at_stated=at_stated)
    return Fault(name, subject, (refused_by,), mechanism, case, threads)


STUBS = (
    _stub(
        "fused-mask-is-a-prefix",
        BERT,
        "agreement",
        runtimes.prefix_mask,
        "a fused attention replaces the mask by a prefix with as many ones",
        "microsoft/onnxruntime#18945",
    ),
    _stub(
        "fused-mask-is-a-prefix",
        GPT2,
        "agreement",
        runtimes.prefix_mask,
        "a fused attention replaces the mask by a prefix with as many ones",
        "microsoft/onnxruntime#18945",
    ),
    _stub(
        "fused-norm-of-first-row",
        CLIP,
        "agreement",
        runtimes.first_row_alone,
        "a fused normalisation broadcasts the first row of the batch",
        "microsoft/onnxruntime#12064",
        "microsoft/onnxruntime#25855",
    ),
    _stub(
        "no-kernel-for-fused-node",
        VIT,
        "agreement",
        runtimes.refuses_optimised,
        "the optimiser creates a node without a kernel",
        "microsoft/onnxruntime#10994",
    ),
    _stub(
        "no-kernel-for-plain-node",
        BERT,
        "runtime",
        runtimes.refuses_plain,
        "a kernel is missing unless the optimiser removes its node",
        "microsoft/onnxruntime#10994",
    ),
    _stub(
        "levels-apart",
        BERT,
        "runtime",
        runtimes.levels_apart,
        "both levels are within the tolerance, but their difference is not",
        "microsoft/onnxruntime#17689",
        at_stated=True,
    ),
    _stub(
        "adds-up-in-any-order",
        BERT,
        "determinism",
        runtimes.unsteady,
        "threads add in another order each time",
    ),
)

FAULTS = (*REAL, *STUBS)
