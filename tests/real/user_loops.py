"""The loops of a user who generates with exported files, in plain ONNX Runtime and numpy."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import takewhile
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime

Array = np.ndarray[Any, Any]
Feed = Mapping[str, Array]


class File:
    """An exported file."""

    def __init__(self, path: Path) -> None:
        self._session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
        self._outputs = [value.name for value in self._session.get_outputs()]

    def run(self, feed: Feed) -> dict[str, Array]:
        """Return the outputs by name."""
        return dict(zip(self._outputs, self._session.run(None, feed), strict=True))

    def empty_past(self, batch_size: int) -> dict[str, Array]:
        """Return a cache of length 0."""
        past = [i for i in self._session.get_inputs() if i.name.startswith("past_key_values.")]
        return {i.name: np.zeros((batch_size, i.shape[1], 0, i.shape[3]), "f4") for i in past}


def as_past(outputs: Feed) -> dict[str, Array]:
    """Return the cache that a step returned, as the next one takes it."""
    head, tail = "present.", "past_key_values."
    return {n.replace(head, tail, 1): a for n, a in outputs.items() if n.startswith(head)}


def continue_text(file: File, tokens: Feed, steps: int) -> tuple[Array, Array]:
    """Continue prompts, which may be padded on the left, by the most probable tokens.

    Returns the chosen tokens, [batch, steps], and their logits, [batch, steps, vocabulary].
    """
    ids, mask = tokens["input_ids"], tokens["attention_mask"]
    positions = np.maximum(mask.cumsum(axis=1) - 1, 0)
    past = file.empty_past(len(ids))
    logits: list[Array] = []
    for _ in range(steps):
        feed = {"input_ids": ids, "attention_mask": mask, "position_ids": positions, **past}
        outputs = file.run(feed)
        logits.append(outputs["logits"][:, -1])
        past = as_past(outputs)
        ids = logits[-1].argmax(axis=-1)[:, None]
        mask = np.concatenate([mask, np.ones_like(ids)], axis=1)
        positions = positions[:, -1:] + 1
    every = np.stack(logits, axis=1)
    return every.argmax(axis=-1), every


def transcribe(folder: Path, features: Array, settings: Any) -> list[list[int]]:
    """Return the tokens of each spectrogram, without start and end.

    `settings` is the model's GenerationConfig: first tokens, last token, tokens never to choose.
    """
    encoder, first, following = (
        File(folder / f"{stem}.onnx")
        for stem in ("encoder_model", "decoder_model", "decoder_with_past_model")
    )
    start = [settings.decoder_start_token_id, settings.no_timestamps_token_id]
    feed = {"input_ids": np.tile(np.array(start), (len(features), 1))}
    encoded = encoder.run({"input_features": features})["last_hidden_state"]
    outputs = first.run({**feed, "encoder_hidden_states": encoded})
    past = as_past(outputs)
    forbidden = [*settings.suppress_tokens, *settings.begin_suppress_tokens]
    chosen: list[Array] = []
    while not _all_ended(chosen, settings.eos_token_id):
        logits = outputs["logits"][:, -1]
        logits[:, forbidden] = -np.inf
        chosen.append(logits.argmax(axis=-1))
        assert len(start) + len(chosen) < settings.max_length, "no end of the text"
        outputs = following.run({"input_ids": chosen[-1][:, None], **past})
        past = {**past, **as_past(outputs)}  # the encoder's part is returned once
        forbidden = settings.suppress_tokens
    return [cut_at(row, settings.eos_token_id) for row in np.stack(chosen, axis=1).tolist()]


def _all_ended(chosen: Sequence[Array], end: int) -> bool:
    return bool(chosen) and bool((np.stack(chosen) == end).any(axis=0).all())


def cut_at(tokens: Sequence[int], end: int) -> list[int]:
    """Return the tokens before the first `end`."""
    return [*takewhile(lambda token: token != end, tokens)]
