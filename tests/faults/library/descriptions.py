"""Faults of descriptions: names, axes, sums, missing inputs, tolerances, patches."""

from __future__ import annotations

from harness import OnnxConfig
from tests.faults.library import description_kinds as wrong
from tests.faults.library.cases import Described, LeavesOut, Measured, Misdescribed, names
from tests.faults.library.core import Fault
from tests.faults.library.subjects import BERT, CLIP, GPT2, LLAMA, T5, VIT, WHISPER, Subject


def _cell(
    name: str,
    subject: Subject,
    refused_by: str | tuple[str, ...],
    description: type[OnnxConfig],
    mechanism: str,
    *threads: str,
) -> Fault:
    """Return a fault: export and verdict use a wrong description."""
    case = Described(description)
    return Fault(name, subject, names(refused_by), mechanism, case, threads)


def _files(
    name: str,
    subject: Subject,
    refused_by: str,
    description: type[OnnxConfig],
    mechanism: str,
    *threads: str,
) -> Fault:
    """Return a fault: a wrong description judges correct files."""
    return Fault(name, subject, (refused_by,), mechanism, Misdescribed(description), threads)


NAMES = (
    _cell("another-output", BERT, "export", wrong.AnotherOutput, "an output that no model returns"),
    _cell("another-input", BERT, "export", wrong.AnotherInput, "an input that no forward takes"),
    _files(
        "file-with-token-types",
        BERT,
        "interface",
        wrong.WithoutTokenTypes,
        "the file has token types that are not declared",
        "huggingface/optimum#1500",
    ),
    _files(
        "file-with-mask",
        BERT,
        "interface",
        wrong.WithoutMask,
        "the file has a mask that is not declared",
    ),
    _files(
        "file-with-positions",
        GPT2,
        "interface",
        wrong.WithoutPositions,
        "the file has positions that are not declared",
    ),
    Fault(
        "without-token-types",
        BERT,
        ("declared-inputs",),
        "the file has no input for token types",
        LeavesOut(wrong.WithoutTokenTypes),
        ("huggingface/optimum#1500",),
    ),
    Fault(
        "without-mask",
        BERT,
        ("declared-inputs",),
        "the file has no mask, so it cannot take padded batches",
        LeavesOut(wrong.WithoutMask),
        ("huggingface/optimum#1325",),
    ),
    _cell(
        "without-positions",
        GPT2,
        "cache",
        wrong.WithoutPositions,
        "the model counts positions itself, which is wrong for padded rows",
        "huggingface/optimum#1381",
    ),
    _cell(
        "without-last-value",
        GPT2,
        "cache",
        wrong.WithoutLastValue,
        "one value of the cache is not returned",
    ),
    _cell(
        "unmasked-decoder",
        T5,
        "agreement",
        wrong.UnmaskedDecoder,
        "the decoder does not take the mask over the encoder's output",
    ),
)

AXES = (
    _cell("static-batch", BERT, "export", wrong.StaticBatch, "no batch axis is declared"),
    _cell("static-logits", BERT, "dynamic-axes", wrong.StaticLogits, "logits are declared static"),
    _cell(
        "dynamic-classes",
        BERT,
        "dynamic-axes",
        wrong.DynamicClasses,
        "the number of classes is declared equal to the number of tokens",
    ),
    _cell(
        "dynamic-images",
        VIT,
        "interface",
        wrong.DynamicImages,
        "images of any size are declared, which eager refuses",
        "huggingface/transformers#18199",
    ),
    _cell(
        "mask-of-its-own-length",
        BERT,
        "export",
        wrong.MaskOfItsOwnLength,
        "the mask has its own length axis, which eager refuses",
    ),
    _cell(
        "as-many-texts-as-images",
        CLIP,
        "dynamic-axes",
        wrong.AsManyTextsAsImages,
        "texts and images are declared with one batch axis; the model has two",
    ),
    _cell(
        "present-as-long-as-past",
        GPT2,
        "dynamic-axes",
        wrong.PresentAsLongAsPast,
        "the declared length of the returned cache omits the new tokens",
    ),
    _cell(
        "present-one-longer",
        LLAMA,
        "dynamic-axes",
        wrong.PresentOneLonger,
        "the declared length of the returned cache is one too large",
    ),
    _cell(
        "mask-of-tokens-alone",
        GPT2,
        "cache",
        wrong.MaskOfTokensAlone,
        "the declared length of the mask omits the past",
    ),
    _cell(
        "doubled-past",
        LLAMA,
        "dynamic-axes",
        wrong.DoubledPast,
        "the declared length of the mask counts the past twice",
    ),
    _cell(
        "beyond-the-positions",
        BERT,
        "agreement",
        wrong.BeyondThePositions,
        "lengths are declared for which the model has no positions",
    ),
    _cell(
        "query-heads-in-the-past",
        LLAMA,
        "export",
        wrong.QueryHeadsInThePast,
        "the past is declared with as many heads as the queries",
        "huggingface/optimum#600",
    ),
    _cell(
        "one-layer-in-the-past",
        GPT2,
        "export",
        wrong.OneLayerInThePast,
        "the cache of the second layer is not declared",
    ),
    _files(
        "dynamic-frames",
        WHISPER,
        "dynamic-axes",
        wrong.DynamicFrames,
        "the length of the encoder's output is declared dynamic, but is fixed",
    ),
)

JUDGING = (
    _cell(
        "huge-tolerance",
        BERT,
        ("padding", "sensitivity"),
        wrong.HugeTolerance,
        "the tolerance is so large that a file may ignore inputs",
        "huggingface/optimum#1755",
    ),
    Fault(
        "loose-tolerance",
        BERT,
        ("tolerance",),
        "ten times the measured tolerance, still less than the effect of the inputs",
        Measured(wrong.LooseTolerance),
        ("huggingface/optimum#449",),
    ),
    _cell(
        "zero-tolerance",
        BERT,
        "agreement",
        wrong.ZeroTolerance,
        "the tolerance is below the rounding error",
    ),
    _cell(
        "plain-tokens",
        BERT,
        "sensitivity",
        wrong.PlainTokens,
        "dummy inputs have no padding and one token type",
    ),
    _cell(
        "counted-positions",
        GPT2,
        "sensitivity",
        wrong.CountedPositions,
        "dummy positions are consecutive, so a file could count them itself",
    ),
    _cell(
        "approximating-patch",
        BERT,
        "agreement",
        wrong.ApproximatingPatch,
        "the patch for the export changes the activation",
    ),
    _cell(
        "shared-patch",
        BERT,
        "export",
        wrong.SharedPatch,
        "the patch for the export changes the model itself",
    ),
)

FAULTS = (*NAMES, *AXES, *JUDGING)
