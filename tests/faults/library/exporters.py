"""Faults of exporters: wrappers, copies of models, files, and what is left behind."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from harness import Exporter
from tests.faults.library import exporter_ways as ways
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
    GPT2,
    LLAMA,
    MISTRAL,
    MIXTRAL,
    T5,
    VIT,
    WHISPER,
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
    """An export that leaves the model as it was not."""
    exporter = Spoiling(name, spoil)
    return _fault(BERT, "export", exporter, mechanism, *threads)


FAULTS = (
    _fault(BERT, "export", Raising("raises"), "it gives up"),
    _fault(BERT, "export", Losing("writes-nothing"), "it returns without a file"),
    _fault(T5, "export", Losing("loses-a-part"), "the last of three files is not written"),
    _fault(
        BERT,
        "export",
        Spoiling("leaves-half-precision", lambda model: model.bfloat16()),
        "the model comes back in another dtype",
    ),
    _fault(
        BERT,
        "export",
        Spoiling("exports-a-changed-weight", ways.change_a_weight, is_first=True),
        "a weight of the model is changed, and so it is in the file",
    ),
    _spoilt("changes-a-weight", ways.change_a_weight, "a weight of the model is another one after"),
    _spoilt(
        "leaves-training-mode",
        lambda model: model.train(),
        "the model comes back in training mode",
        "intel/intel-extension-for-transformers#767",
    ),
    _spoilt(
        "leaves-no-gradients",
        lambda model: model.requires_grad_(False),
        "the model comes back frozen",
    ),
    _spoilt("leaves-a-patch", ways.keep_a_patch, "the model keeps a forward of the exporter's"),
    _spoilt("leaves-a-setting", ways.keep_a_setting, "the model keeps a setting of the exporter's"),
    _spoilt("leaves-a-hook", ways.keep_a_hook, "the model keeps a hook of the exporter's"),
    _fault(
        BERT,
        "opset",
        Describing("writes-an-older-opset", ways.older_opset),
        "asked for 18, it writes 17 without a word",
        "airockchip/ultralytics_yolo11#17",
    ),
    _fault(
        BERT,
        "interface",
        Editing("orders-inputs-otherwise", reverse_inputs, ONLY_PART),
        "inputs in another order than is declared",
        "huggingface/optimum#1842",
    ),
    _fault(
        BERT,
        "dynamic-axes",
        Describing("freezes-batch", ways.static_batch),
        "it traces one batch and declares it",
        "huggingface/optimum#2320",
    ),
    _fault(
        GPT2,
        "dynamic-axes",
        Describing("freezes-batch", ways.static_batch),
        "it traces one batch and declares it",
        "pytorch/pytorch#176349",
    ),
    _fault(
        BERT,
        "dynamic-axes",
        Describing("numbers-axes", ways.numbered_axes),
        "axes are called after inputs, so that none is shared",
    ),
    _fault(
        BERT,
        "agreement",
        Wrapping("ignores-token-types", ways.ignores_token_types),
        "its wrapper drops a keyword",
    ),
    _fault(
        BERT, "agreement", Wrapping("ignores-mask", ways.ignores_mask), "its wrapper drops the mask"
    ),
    _fault(
        LLAMA,
        "agreement",
        Wrapping("takes-mask-for-prefix", ways.takes_mask_for_prefix),
        "its wrapper counts the ones of the mask",
        "microsoft/onnxruntime#18945",
    ),
    _fault(CLIP, "agreement", Wrapping("inverts-mask", ways.inverts_mask), "1 hides, and 0 shows"),
    _fault(
        GPT2,
        "agreement",
        Wrapping("ignores-positions", ways.ignores_positions),
        "its wrapper counts positions itself",
        "huggingface/optimum#1381",
    ),
    _fault(
        LLAMA,
        "agreement",
        Wrapping("shifts-positions", ways.shifts_positions),
        "positions are one too large",
    ),
    _fault(
        GPT2,
        "dynamic-axes",
        Wrapping("bakes-positions", ways.bakes_positions),
        "positions were counted in Python",
        "pytorch/pytorch#148886",
    ),
    _fault(
        BERT,
        "agreement",
        Wrapping("keeps-sixteen-tokens", ways.keeps_sixteen_tokens),
        "longer texts are cut, without a word",
        "huggingface/optimum#776",
    ),
    _fault(
        T5,
        "baked-sizes",
        Wrapping("cuts-far-beyond", ways.keeps_sixteen_times_the_traced_tokens),
        "texts are cut at a multiple of the traced length, longer than any that is drawn",
        "huggingface/transformers#20275",
    ),
    _fault(
        VIT,
        "baked-sizes",
        Wrapping("drops-far-images", ways.keeps_sixteen_times_the_traced_images),
        "images are dropped at a multiple of the traced batch, larger than any that is drawn",
    ),
    _fault(
        GPT2,
        "agreement",
        Wrapping("crosses-layers", ways.crosses_layers),
        "the caches of two layers are crossed",
    ),
    _fault(
        LLAMA,
        "agreement",
        Wrapping("swaps-key-and-value", ways.swaps_key_and_value),
        "keys are taken for values, and the reverse",
    ),
    _fault(
        T5,
        "agreement",
        Wrapping("swaps-key-and-value-of-encoder", ways.swaps_key_and_value_of_encoder),
        "the encoder's keys are taken for its values, and the reverse",
    ),
    _fault(
        WHISPER,
        "agreement",
        Wrapping("crosses-layers", ways.crosses_layers),
        "the caches of two layers are crossed",
    ),
    _fault(
        GPT2, "agreement", Wrapping("forgets-past", ways.forgets_past), "the past holds nothing"
    ),
    _fault(
        VIT,
        "agreement",
        Wrapping("turns-images", ways.turns_images),
        "columns are read as rows",
        "huggingface/transformers#33181",
    ),
    _fault(
        VIT,
        "agreement",
        Preparing("rounds-weights", ways.rounds_weights),
        "it exports a copy in float16",
        "huggingface/optimum#607",
    ),
    _fault(
        VIT,
        "determinism",
        Preparing("drops-out", ways.drops_out),
        "the traced model drops out, which ONNX Runtime happens to run as an identity",
        "intel/intel-extension-for-transformers#767",
    ),
    _fault(
        BERT,
        "agreement",
        Preparing("patches-semantics", ways.scales_otherwise),
        "a patch for the export changes the scale of attention",
    ),
    _fault(
        MISTRAL,
        "agreement",
        Preparing("drops-window", ways.without_window),
        "every key is in the window",
        "huggingface/optimum#776",
    ),
    _fault(
        MISTRAL,
        "agreement",
        Preparing("widens-window", ways.with_a_wider_window),
        "the window is one too wide",
        "huggingface/optimum#505",
    ),
    _fault(
        MIXTRAL,
        "agreement",
        Preparing("bakes-experts", ways.with_traced_experts),
        "the experts that the traced tokens chose are in the file",
        "huggingface/optimum#1671",
    ),
)
