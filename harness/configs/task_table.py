"""The tasks: their synonyms, outputs, transformers' Auto classes and its mappings.

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
    """The Auto class of a task and the name of the mapping that lists its architectures."""

    auto_class: str
    mapping: str


TASK_CLASSES: Mapping[str, TaskClass] = {
    "audio-classification": TaskClass(
        "AutoModelForAudioClassification", "MODEL_FOR_AUDIO_CLASSIFICATION_MAPPING_NAMES"
    ),
    "audio-frame-classification": TaskClass(
        "AutoModelForAudioFrameClassification", "MODEL_FOR_AUDIO_FRAME_CLASSIFICATION_MAPPING_NAMES"
    ),
    "audio-xvector": TaskClass("AutoModelForAudioXVector", "MODEL_FOR_AUDIO_XVECTOR_MAPPING_NAMES"),
    "automatic-speech-recognition": TaskClass(
        "AutoModelForSpeechSeq2Seq", "MODEL_FOR_SPEECH_SEQ_2_SEQ_MAPPING_NAMES"
    ),
    "depth-estimation": TaskClass(
        "AutoModelForDepthEstimation", "MODEL_FOR_DEPTH_ESTIMATION_MAPPING_NAMES"
    ),
    "document-question-answering": TaskClass(
        "AutoModelForDocumentQuestionAnswering",
        "MODEL_FOR_DOCUMENT_QUESTION_ANSWERING_MAPPING_NAMES",
    ),
    "feature-extraction": TaskClass("AutoModel", "MODEL_MAPPING_NAMES"),
    "fill-mask": TaskClass("AutoModelForMaskedLM", "MODEL_FOR_MASKED_LM_MAPPING_NAMES"),
    "image-classification": TaskClass(
        "AutoModelForImageClassification", "MODEL_FOR_IMAGE_CLASSIFICATION_MAPPING_NAMES"
    ),
    "image-segmentation": TaskClass(
        "AutoModelForImageSegmentation", "MODEL_FOR_IMAGE_SEGMENTATION_MAPPING_NAMES"
    ),
    "image-text-to-text": TaskClass(
        "AutoModelForImageTextToText", "MODEL_FOR_IMAGE_TEXT_TO_TEXT_MAPPING_NAMES"
    ),
    "image-to-image": TaskClass(
        "AutoModelForImageToImage", "MODEL_FOR_IMAGE_TO_IMAGE_MAPPING_NAMES"
    ),
    "mask-generation": TaskClass(
        "AutoModelForMaskGeneration", "MODEL_FOR_MASK_GENERATION_MAPPING_NAMES"
    ),
    "masked-im": TaskClass(
        "AutoModelForMaskedImageModeling", "MODEL_FOR_MASKED_IMAGE_MODELING_MAPPING_NAMES"
    ),
    "multiple-choice": TaskClass(
        "AutoModelForMultipleChoice", "MODEL_FOR_MULTIPLE_CHOICE_MAPPING_NAMES"
    ),
    "object-detection": TaskClass(
        "AutoModelForObjectDetection", "MODEL_FOR_OBJECT_DETECTION_MAPPING_NAMES"
    ),
    "question-answering": TaskClass(
        "AutoModelForQuestionAnswering", "MODEL_FOR_QUESTION_ANSWERING_MAPPING_NAMES"
    ),
    "semantic-segmentation": TaskClass(
        "AutoModelForSemanticSegmentation", "MODEL_FOR_SEMANTIC_SEGMENTATION_MAPPING_NAMES"
    ),
    "text-classification": TaskClass(
        "AutoModelForSequenceClassification", "MODEL_FOR_SEQUENCE_CLASSIFICATION_MAPPING_NAMES"
    ),
    "text-generation": TaskClass("AutoModelForCausalLM", "MODEL_FOR_CAUSAL_LM_MAPPING_NAMES"),
    "text-to-audio": TaskClass(
        "AutoModelForTextToSpectrogram", "MODEL_FOR_TEXT_TO_SPECTROGRAM_MAPPING_NAMES"
    ),
    "text2text-generation": TaskClass(
        "AutoModelForSeq2SeqLM", "MODEL_FOR_SEQ_TO_SEQ_CAUSAL_LM_MAPPING_NAMES"
    ),
    "token-classification": TaskClass(
        "AutoModelForTokenClassification", "MODEL_FOR_TOKEN_CLASSIFICATION_MAPPING_NAMES"
    ),
    "visual-question-answering": TaskClass(
        "AutoModelForVisualQuestionAnswering", "MODEL_FOR_VISUAL_QUESTION_ANSWERING_MAPPING_NAMES"
    ),
    "zero-shot-image-classification": TaskClass(
        "AutoModelForZeroShotImageClassification",
        "MODEL_FOR_ZERO_SHOT_IMAGE_CLASSIFICATION_MAPPING_NAMES",
    ),
    "zero-shot-object-detection": TaskClass(
        "AutoModelForZeroShotObjectDetection",
        "MODEL_FOR_ZERO_SHOT_OBJECT_DETECTION_MAPPING_NAMES",
    ),
}

SYNONYMS: Mapping[str, str] = {
    "audio-ctc": "automatic-speech-recognition",
    "causal-lm": "text-generation",
    "default": "feature-extraction",
    "image-to-text": "image-text-to-text",
    "mask-filling": "fill-mask",
    "masked-lm": "fill-mask",
    "seq2seq-lm": "text2text-generation",
    "sequence-classification": "text-classification",
    "speech2seq-lm": "automatic-speech-recognition",
    "summarization": "text2text-generation",
    "translation": "text2text-generation",
    "vision2seq-lm": "image-text-to-text",
    "zero-shot-classification": "text-classification",
}


def _axes(*names: str) -> Axes:
    return dict(enumerate(names))


TASK_OUTPUTS: Mapping[str, Mapping[str, Axes]] = {
    "audio-classification": {"logits": _axes("batch_size")},
    "automatic-speech-recognition": {"logits": _axes("batch_size", "decoder_sequence_length")},
    "feature-extraction": {"last_hidden_state": _axes("batch_size", "sequence_length")},
    "fill-mask": {"logits": _axes("batch_size", "sequence_length")},
    "image-classification": {"logits": _axes("batch_size")},
    "masked-im": {"reconstruction": _axes("batch_size")},
    "multiple-choice": {"logits": _axes("batch_size", "num_choices")},
    "question-answering": {
        "start_logits": _axes("batch_size", "sequence_length"),
        "end_logits": _axes("batch_size", "sequence_length"),
    },
    "text-classification": {"logits": _axes("batch_size")},
    "text-generation": {"logits": _axes("batch_size", "sequence_length")},
    "text2text-generation": {"logits": _axes("batch_size", "decoder_sequence_length")},
    "token-classification": {"logits": _axes("batch_size", "sequence_length")},
    "zero-shot-image-classification": {
        "logits_per_image": _axes("image_batch_size", "text_batch_size"),
        "logits_per_text": _axes("text_batch_size", "image_batch_size"),
        "text_embeds": _axes("text_batch_size"),
        "image_embeds": _axes("image_batch_size"),
    },
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
