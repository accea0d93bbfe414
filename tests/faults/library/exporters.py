"""Faults of exporters: wrappers, copies of models, files, and what is left behind."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from harness import Exporter
from tests.faults.library import exporter_defects as defects
from tests.faults.library.cases import ONLY_PART, Exported
from tests.faults.library.core import Fault
from tests.faults.library.exporter_kinds import (
    Describing,
    Editing,
    Losing,
    Preparing,
    Raising,
    Spoiling,
    Wrapping,
)
from tests.faults.library.subjects import (
    BERT,
    CLIP,
    DYNAMIC,
    GPT2,
    LLAMA,
    LONGROPE,
    MISTRAL,
    MIXTRAL,
    T5,
    VIT,
    WHISPER,
    WIDE_WINDOW,
    Subject,
)
from tests.faults.library.surgery import reverse_inputs


def _fault(
    subject: Subject,
    refused_by: str,
    exporter: Exporter,
    mechanism: str,
    *threads: str,
) -> Fault:
    name = exporter.name.removeprefix("wrong-")
    case = Exported(exporter)
    return Fault(name, subject, (refused_by,), mechanism, case, threads)


def _spoilt(name: str, spoil: Callable[[Any], object], mechanism: str, *threads: str) -> Fault:
    """Return a fault: an export that changes the caller's model."""
    exporter = Spoiling(name, spoil)
    return _fault(BERT, "export", exporter, mechanism, *threads)


FAULTS = (
    _fault(BERT, "export", Raising("raises"), "it raises an error"),
    _fault(BERT, "export", Losing("writes-nothing"), "it writes no file"),
    _fault(T5, "export", Losing("loses-a-part"), "the last of three files is not written"),
    _fault(
        BERT,
        "export",
        Spoiling("leaves-half-precision", lambda model: model.bfloat16()),
        "it leaves the model in another dtype",
    ),
    _fault(
        BERT,
        "export",
        Spoiling("exports-a-changed-weight", defects.change_a_weight, is_first=True),
        "it changes a weight of the model before the export",
    ),
    _spoilt(
        "changes-a-weight",
        defects.change_a_weight,
        "it changes a weight of the model after the export",
    ),
    _spoilt(
        "leaves-training-mode",
        lambda model: model.train(),
        "it leaves the model in training mode",
        "intel/intel-extension-for-transformers#767",
    ),
    _spoilt(
        "leaves-no-gradients",
        lambda model: model.requires_grad_(False),
        "it leaves the parameters without gradients",
    ),
    _spoilt("leaves-a-patch", defects.keep_a_patch, "it leaves a patched forward"),
    _spoilt("leaves-a-setting", defects.keep_a_setting, "it leaves a changed setting"),
    _spoilt("leaves-a-hook", defects.keep_a_hook, "it leaves a hook"),
    _fault(
        BERT,
        "opset",
        Describing("writes-an-older-opset", defects.older_opset),
        "opset 18 is requested, it writes 17 without a warning",
        "airockchip/ultralytics_yolo11#17",
    ),
    _fault(
        BERT,
        "interface",
        Editing("orders-inputs-otherwise", reverse_inputs, ONLY_PART),
        "inputs are in another order than declared",
        "huggingface/optimum#1842",
    ),
    _fault(
        BERT,
        "dynamic-axes",
        Describing("freezes-batch", defects.static_batch),
        "it declares the batch static",
        "huggingface/optimum#2320",
    ),
    _fault(
        GPT2,
        "dynamic-axes",
        Describing("freezes-batch", defects.static_batch),
        "it declares the batch static",
        "pytorch/pytorch#176349",
    ),
    _fault(
        BERT,
        "dynamic-axes",
        Describing("numbers-axes", defects.numbered_axes),
        "axes are named after inputs, so that inputs share no axis",
    ),
    _fault(
        BERT,
        "agreement",
        Wrapping("ignores-token-types", defects.ignores_token_types),
        "its wrapper drops a keyword",
    ),
    _fault(
        BERT,
        "agreement",
        Wrapping("ignores-mask", defects.ignores_mask),
        "its wrapper drops the mask",
    ),
    _fault(
        LLAMA,
        "agreement",
        Wrapping("takes-mask-for-prefix", defects.takes_mask_for_prefix),
        "its wrapper replaces the mask by a prefix with as many ones",
        "microsoft/onnxruntime#18945",
    ),
    _fault(
        CLIP,
        "agreement",
        Wrapping("inverts-mask", defects.inverts_mask),
        "its wrapper inverts the mask",
    ),
    _fault(
        GPT2,
        "agreement",
        Wrapping("ignores-positions", defects.ignores_positions),
        "its wrapper counts positions itself",
        "huggingface/optimum#1381",
    ),
    _fault(
        LLAMA,
        "agreement",
        Wrapping("shifts-positions", defects.shifts_positions),
        "its wrapper adds one to positions",
    ),
    _fault(
        GPT2,
        "dynamic-axes",
        Wrapping("bakes-positions", defects.bakes_positions),
        "its wrapper counts positions in Python",
        "pytorch/pytorch#148886",
    ),
    _fault(
        BERT,
        "agreement",
        Wrapping("keeps-sixteen-tokens", defects.keeps_sixteen_tokens),
        "longer texts are cut without a warning",
        "huggingface/optimum#776",
    ),
    _fault(
        T5,
        "baked-sizes",
        Wrapping("cuts-far-beyond", defects.keeps_sixteen_times_the_traced_tokens),
        "texts are cut at a multiple of the traced length, which drawn lengths do not reach",
        "huggingface/transformers#20275",
    ),
    _fault(
        VIT,
        "baked-sizes",
        Wrapping("drops-far-images", defects.keeps_sixteen_times_the_traced_images),
        "images are dropped at a multiple of the traced batch, which no drawn batch reaches",
    ),
    _fault(
        GPT2,
        "agreement",
        Wrapping("crosses-layers", defects.crosses_layers),
        "the caches of two layers are exchanged",
    ),
    _fault(
        LLAMA,
        "agreement",
        Wrapping("swaps-key-and-value", defects.swaps_key_and_value),
        "past keys and values are exchanged",
    ),
    _fault(
        T5,
        "agreement",
        Wrapping("swaps-key-and-value-of-encoder", defects.swaps_key_and_value_of_encoder),
        "the encoder's keys and values are exchanged",
    ),
    _fault(
        WHISPER,
        "agreement",
        Wrapping("crosses-layers", defects.crosses_layers),
        "the caches of two layers are exchanged",
    ),
    _fault(GPT2, "agreement", Wrapping("forgets-past", defects.forgets_past), "the past is zero"),
    _fault(
        VIT,
        "agreement",
        Wrapping("turns-images", defects.turns_images),
        "rows and columns of images are exchanged",
        "huggingface/transformers#33181",
    ),
    _fault(
        VIT,
        "agreement",
        Preparing("rounds-weights", defects.rounds_weights),
        "it exports weights rounded to float16",
        "huggingface/optimum#607",
    ),
    _fault(
        VIT,
        "determinism",
        Preparing("drops-out", defects.drops_out),
        "the traced model has active dropout, which ONNX Runtime happens to ignore",
        "intel/intel-extension-for-transformers#767",
    ),
    _fault(
        BERT,
        "agreement",
        Preparing("patches-semantics", defects.scales_otherwise),
        "a patch for the export changes the scale of attention",
    ),
    _fault(
        MISTRAL,
        "agreement",
        Preparing("drops-window", defects.without_window),
        "attention has no window",
        "huggingface/optimum#776",
    ),
    _fault(
        MISTRAL,
        "agreement",
        Preparing("widens-window", defects.with_a_wider_window),
        "the window is one too wide",
        "huggingface/optimum#505",
    ),
    _fault(
        WIDE_WINDOW,
        "agreement",
        Preparing("widens-a-wide-window", defects.with_a_wider_window),
        "the window is one too wide, and wider than most texts",
    ),
    _fault(
        WIDE_WINDOW,
        "agreement",
        Preparing("drops-a-wide-window", defects.without_window),
        "attention has no window, which only texts longer than it show",
    ),
    _fault(
        MIXTRAL,
        "agreement",
        Preparing("bakes-experts", defects.with_traced_experts),
        "the file contains only the experts that the traced tokens chose",
        "huggingface/optimum#1671",
    ),
    _fault(
        LONGROPE,
        "agreement",
        Preparing("has-long-factors-always", defects.with_long_factors),
        "short texts have the rotary frequencies of long texts",
    ),
    _fault(
        LONGROPE,
        "agreement",
        Preparing("has-short-factors-always", defects.with_short_factors),
        "long texts have the rotary frequencies of short texts",
    ),
    _fault(
        LONGROPE,
        "agreement",
        Wrapping("clamps-positions", defects.clamps_positions_at_the_switch),
        "positions stop before the one from which the long factors count",
    ),
    _fault(
        DYNAMIC,
        "agreement",
        Preparing("loses-dynamic-scaling", defects.with_short_factors),
        "texts longer than the table have the rotary frequencies of shorter ones",
    ),
    _fault(
        DYNAMIC,
        "agreement",
        Wrapping("stops-at-the-table", defects.clamps_positions_at_the_table),
        "positions stop at the end of the table, where the scaling begins",
    ),
)
