"""Faults of descriptions: names, axes, sums, missing inputs, tolerances, patches."""

from __future__ import annotations

from harness import OnnxConfig
from tests.faults.library import description_kinds as wrong
from tests.faults.library.cases import Described, Measured, Misdescribed, names
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
    """Exported and judged by a wrong description."""
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
    """Correct files judged by a wrong description."""
    return Fault(name, subject, (refused_by,), mechanism, Misdescribed(description), threads)


NAMES = (
    _cell("another-output", BERT, "export", wrong.AnotherOutput, "an output that no model returns"),
    _cell("another-input", BERT, "export", wrong.AnotherInput, "an input that no forward takes"),
    _files(
        "file-with-token-types",
        BERT,
        "interface",
        wrong.WithoutTokenTypes,
        "token types are not declared, the file has them",
        "huggingface/optimum#1500",
    ),
    _files(
        "file-with-mask",
        BERT,
        "interface",
        wrong.WithoutMask,
        "the mask is not declared, the file has one",
    ),
    _files(
        "file-with-positions",
        GPT2,
        "interface",
        wrong.WithoutPositions,
        "positions are not declared, the file has them",
    ),
    _cell(
        "without-token-types",
        BERT,
        "interface",
        wrong.WithoutTokenTypes,
        "token types cannot be given to the file",
        "huggingface/optimum#1500",
    ),
    _cell(
        "without-mask",
        BERT,
        "interface",
        wrong.WithoutMask,
        "padded batches cannot be given to the file",
        "huggingface/optimum#1325",
    ),
    _cell(
        "without-positions",
        GPT2,
        "cache",
        wrong.WithoutPositions,
        "the model counts positions itself, so that padded rows are wrong",
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
    _cell("static-batch", BERT, "export", wrong.StaticBatch, "no batch is declared"),
    _cell("static-logits", BERT, "dynamic-axes", wrong.StaticLogits, "logits are of one size"),
    _cell(
        "dynamic-classes", BERT, "dynamic-axes", wrong.DynamicClasses, "as many classes as tokens"
    ),
    _cell(
        "dynamic-images",
        VIT,
        "interface",
        wrong.DynamicImages,
        "images of any size, which eager refuses",
        "huggingface/transformers#18199",
    ),
    _cell(
        "mask-of-its-own-length",
        BERT,
        "export",
        wrong.MaskOfItsOwnLength,
        "a mask as long as it likes, which eager refuses",
    ),
    _cell(
        "as-many-texts-as-images",
        CLIP,
        "dynamic-axes",
        wrong.AsManyTextsAsImages,
        "texts and images share an axis that the model does not",
    ),
    _cell(
        "present-as-long-as-past",
        GPT2,
        "dynamic-axes",
        wrong.PresentAsLongAsPast,
        "the sum leaves the new tokens out",
    ),
    _cell(
        "present-one-longer",
        LLAMA,
        "dynamic-axes",
        wrong.PresentOneLonger,
        "the sum counts one too many",
    ),
    _cell(
        "mask-of-tokens-alone",
        GPT2,
        "cache",
        wrong.MaskOfTokensAlone,
        "the sum of the mask leaves the past out",
    ),
    _cell(
        "doubled-past",
        LLAMA,
        "dynamic-axes",
        wrong.DoubledPast,
        "the sum counts the past twice",
    ),
    _cell(
        "beyond-the-positions",
        BERT,
        "agreement",
        wrong.BeyondThePositions,
        "lengths for which the model has no positions",
    ),
    _cell(
        "query-heads-in-the-past",
        LLAMA,
        "export",
        wrong.QueryHeadsInThePast,
        "as many heads in the past as queries have",
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
        "the length of what the encoder returns is fixed",
    ),
)

JUDGING = (
    _cell(
        "huge-tolerance",
        BERT,
        ("padding", "sensitivity"),
        wrong.HugeTolerance,
        "a tolerance within which inputs may be ignored",
        "huggingface/optimum#1755",
    ),
    Fault(
        "loose-tolerance",
        BERT,
        ("tolerance",),
        "ten times the tolerance that was measured: inputs still move more",
        Measured(wrong.LooseTolerance),
        ("huggingface/optimum#449",),
    ),
    _cell("zero-tolerance", BERT, "agreement", wrong.ZeroTolerance, "a tolerance below rounding"),
    _cell(
        "plain-tokens",
        BERT,
        "sensitivity",
        wrong.PlainTokens,
        "dummy inputs without padding and token types",
    ),
    _cell(
        "counted-positions",
        GPT2,
        "sensitivity",
        wrong.CountedPositions,
        "dummy positions that a file might count itself",
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
