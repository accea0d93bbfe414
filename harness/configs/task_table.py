"""The tasks: transformers' Auto classes and their mappings, outputs, synonyms, and common sets.

Task names, output names and synonyms are those of Optimum's TasksManager.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

Axes = dict[int, str]

WITH_PAST = "-with-past"


def base_task(task: str) -> str:
    """The task without its `-with-past`."""
    return task.removesuffix(WITH_PAST)


@dataclass(frozen=True, slots=True)
class TaskClass:
    """An Auto class of a task and the name of the mapping that lists its architectures.

    `auto_class` is None if transformers has the mapping only: its classes are then taken by name.
    """

    auto_class: str | None
    mapping: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Task:
    """A task: Auto classes, outputs, and other names that users give it.

    The first Auto class whose mapping has an architecture is the class of its models, unless its
    description names another in `MODEL_CLASSES`. `outputs` maps each output to its dynamic axes; a
    description whose model has others overrides them.
    """

    classes: tuple[TaskClass, ...]
    outputs: Mapping[str, Axes]
    synonyms: tuple[str, ...] = ()


def _task(
    *classes: tuple[str | None, str], outputs: Mapping[str, Axes], synonyms: tuple[str, ...] = ()
) -> Task:
    """Return a task; each class comes with the name of its mapping, without the common ending."""
    pairs = tuple(TaskClass(name, f"{mapping}_MAPPING_NAMES") for name, mapping in classes)
    return Task(classes=pairs, outputs=outputs, synonyms=synonyms)


def _axes(*names: str) -> Axes:
    return dict(enumerate(names))


TASKS: Mapping[str, Task] = {
    "audio-classification": _task(
        ("AutoModelForAudioClassification", "MODEL_FOR_AUDIO_CLASSIFICATION"),
        outputs={"logits": _axes("batch_size")},
    ),
    "audio-frame-classification": _task(
        ("AutoModelForAudioFrameClassification", "MODEL_FOR_AUDIO_FRAME_CLASSIFICATION"),
        outputs={"logits": _axes("batch_size")},
    ),
    "audio-xvector": _task(
        ("AutoModelForAudioXVector", "MODEL_FOR_AUDIO_XVECTOR"),
        outputs={"logits": _axes("batch_size"), "embeddings": _axes("batch_size")},
    ),
    "automatic-speech-recognition": _task(
        ("AutoModelForSpeechSeq2Seq", "MODEL_FOR_SPEECH_SEQ_2_SEQ"),
        ("AutoModelForCTC", "MODEL_FOR_CTC"),
        outputs={"logits": _axes("batch_size", "decoder_sequence_length")},
        synonyms=("audio-ctc", "speech2seq-lm"),
    ),
    "depth-estimation": _task(
        ("AutoModelForDepthEstimation", "MODEL_FOR_DEPTH_ESTIMATION"),
        outputs={"predicted_depth": _axes("batch_size")},
    ),
    "document-question-answering": _task(
        ("AutoModelForDocumentQuestionAnswering", "MODEL_FOR_DOCUMENT_QUESTION_ANSWERING"),
        outputs={
            "start_logits": _axes("batch_size", "sequence_length"),
            "end_logits": _axes("batch_size", "sequence_length"),
        },
    ),
    "feature-extraction": _task(
        ("AutoModel", "MODEL"),
        outputs={"last_hidden_state": _axes("batch_size", "sequence_length")},
        synonyms=("default",),
    ),
    "fill-mask": _task(
        ("AutoModelForMaskedLM", "MODEL_FOR_MASKED_LM"),
        outputs={"logits": _axes("batch_size", "sequence_length")},
        synonyms=("mask-filling", "masked-lm"),
    ),
    "image-classification": _task(
        ("AutoModelForImageClassification", "MODEL_FOR_IMAGE_CLASSIFICATION"),
        outputs={"logits": _axes("batch_size")},
    ),
    "image-segmentation": _task(
        ("AutoModelForImageSegmentation", "MODEL_FOR_IMAGE_SEGMENTATION"),
        ("AutoModelForUniversalSegmentation", "MODEL_FOR_UNIVERSAL_SEGMENTATION"),
        outputs={"logits": _axes("batch_size"), "pred_masks": _axes("batch_size")},
    ),
    "image-text-to-text": _task(
        ("AutoModelForImageTextToText", "MODEL_FOR_IMAGE_TEXT_TO_TEXT"),
        outputs={"logits": _axes("batch_size", "sequence_length")},
        synonyms=("image-to-text", "vision2seq-lm"),
    ),
    "image-to-image": _task(
        ("AutoModelForImageToImage", "MODEL_FOR_IMAGE_TO_IMAGE"),
        outputs={"reconstruction": _axes("batch_size")},
    ),
    "mask-generation": _task(
        ("AutoModelForMaskGeneration", "MODEL_FOR_MASK_GENERATION"),
        outputs={"iou_scores": _axes("batch_size"), "pred_masks": _axes("batch_size")},
    ),
    "masked-im": _task(
        ("AutoModelForMaskedImageModeling", "MODEL_FOR_MASKED_IMAGE_MODELING"),
        outputs={"reconstruction": _axes("batch_size")},
    ),
    "multiple-choice": _task(
        ("AutoModelForMultipleChoice", "MODEL_FOR_MULTIPLE_CHOICE"),
        outputs={"logits": _axes("batch_size", "num_choices")},
    ),
    "object-detection": _task(
        ("AutoModelForObjectDetection", "MODEL_FOR_OBJECT_DETECTION"),
        outputs={"logits": _axes("batch_size"), "pred_boxes": _axes("batch_size")},
    ),
    "question-answering": _task(
        ("AutoModelForQuestionAnswering", "MODEL_FOR_QUESTION_ANSWERING"),
        outputs={
            "start_logits": _axes("batch_size", "sequence_length"),
            "end_logits": _axes("batch_size", "sequence_length"),
        },
    ),
    "semantic-segmentation": _task(
        ("AutoModelForSemanticSegmentation", "MODEL_FOR_SEMANTIC_SEGMENTATION"),
        outputs={"logits": _axes("batch_size")},
    ),
    "text-classification": _task(
        ("AutoModelForSequenceClassification", "MODEL_FOR_SEQUENCE_CLASSIFICATION"),
        outputs={"logits": _axes("batch_size")},
        synonyms=("sequence-classification", "zero-shot-classification"),
    ),
    "text-generation": _task(
        ("AutoModelForCausalLM", "MODEL_FOR_CAUSAL_LM"),
        outputs={"logits": _axes("batch_size", "sequence_length")},
        synonyms=("causal-lm",),
    ),
    "text-to-audio": _task(
        ("AutoModelForTextToSpectrogram", "MODEL_FOR_TEXT_TO_SPECTROGRAM"),
        ("AutoModelForTextToWaveform", "MODEL_FOR_TEXT_TO_WAVEFORM"),
        outputs={"waveform": _axes("batch_size")},
    ),
    "text2text-generation": _task(
        ("AutoModelForSeq2SeqLM", "MODEL_FOR_SEQ_TO_SEQ_CAUSAL_LM"),
        outputs={"logits": _axes("batch_size", "decoder_sequence_length")},
        synonyms=("seq2seq-lm", "summarization", "translation"),
    ),
    "time-series-classification": _task(
        (None, "MODEL_FOR_TIME_SERIES_CLASSIFICATION"),
        outputs={"prediction_logits": _axes("batch_size")},
    ),
    "time-series-forecasting": _task(
        ("AutoModelForTimeSeriesPrediction", "MODEL_FOR_TIME_SERIES_PREDICTION"),
        outputs={"prediction_outputs": _axes("batch_size")},
    ),
    "time-series-regression": _task(
        (None, "MODEL_FOR_TIME_SERIES_REGRESSION"),
        outputs={"regression_outputs": _axes("batch_size")},
    ),
    "token-classification": _task(
        ("AutoModelForTokenClassification", "MODEL_FOR_TOKEN_CLASSIFICATION"),
        outputs={"logits": _axes("batch_size", "sequence_length")},
    ),
    "visual-question-answering": _task(
        ("AutoModelForVisualQuestionAnswering", "MODEL_FOR_VISUAL_QUESTION_ANSWERING"),
        outputs={"logits": _axes("batch_size")},
    ),
    "zero-shot-image-classification": _task(
        ("AutoModelForZeroShotImageClassification", "MODEL_FOR_ZERO_SHOT_IMAGE_CLASSIFICATION"),
        outputs={
            "logits_per_image": _axes("image_batch_size", "text_batch_size"),
            "logits_per_text": _axes("text_batch_size", "image_batch_size"),
            "text_embeds": _axes("text_batch_size"),
            "image_embeds": _axes("image_batch_size"),
        },
    ),
    "zero-shot-object-detection": _task(
        ("AutoModelForZeroShotObjectDetection", "MODEL_FOR_ZERO_SHOT_OBJECT_DETECTION"),
        outputs={"logits": _axes("batch_size"), "pred_boxes": _axes("batch_size")},
    ),
}

SYNONYMS: Mapping[str, str] = {
    synonym: name for name, task in TASKS.items() for synonym in task.synonyms
}


def map_from_synonym(task: str) -> str:
    """The task's own name; `causal-lm-with-past` is `text-generation-with-past`."""
    base = base_task(task)
    return SYNONYMS.get(base, base) + task.removeprefix(base)


ENCODER_TASKS = (
    "feature-extraction",
    "fill-mask",
    "multiple-choice",
    "question-answering",
    "text-classification",
    "token-classification",
)
"""Tasks of text encoders."""

CAUSAL_TASKS = ("text-generation", "text-generation-with-past")
GENERATING_TASKS = ("feature-extraction", "feature-extraction-with-past", *CAUSAL_TASKS)
DECODER_TASKS = (*GENERATING_TASKS, "text-classification")
LABELLING_TASKS = (*DECODER_TASKS, "token-classification")
ANSWERING_TASKS = (*LABELLING_TASKS, "question-answering")
"""Tasks of text decoders: those with a head for generation only, and with more heads each."""

SEQ2SEQ_TASKS = (
    "feature-extraction",
    "feature-extraction-with-past",
    "text2text-generation",
    "text2text-generation-with-past",
)
"""Tasks of encoder-decoders from text to text."""

IMAGE_TEXT_TASKS = (
    "feature-extraction",
    "image-text-to-text",
    "image-text-to-text-with-past",
)
"""Tasks of decoders that read images beside text."""
