"""Decode greedily with exported files, using only ONNX Runtime and NumPy, not the harness.

    python greedy.py FOLDER INPUTS.npz COUNT

FOLDER holds `model.onnx` of a decoder with past, or the three parts of an encoder-decoder. INPUTS
holds the arrays of the prompt: `input_ids` and `attention_mask` (left-padded for decoders), or
`input_features`; for an encoder-decoder also `decoder_input_ids`, its start tokens. The script
prints, as JSON, the COUNT tokens that follow the prompt in each row.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime

Arrays = dict[str, Any]

FLOAT_TYPE = "tensor(float)"


def load(path: Path) -> Any:
    return onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"])


def run(session: Any, known: Arrays) -> Arrays:
    """Run a session with the inputs that it declares and return its outputs, by name."""
    feed = {value.name: known[value.name] for value in session.get_inputs()}
    names = [value.name for value in session.get_outputs()]
    return dict(zip(names, session.run(names, feed), strict=True))


def as_past(outputs: Arrays) -> Arrays:
    return {
        name.replace("present", "past_key_values", 1): value
        for name, value in outputs.items()
        if name.startswith("present")
    }


def last_choice(outputs: Arrays) -> Any:
    return outputs["logits"][:, -1:].argmax(axis=-1)


def empty_past(session: Any, batch: int) -> Arrays:
    """Return a cache without tokens, with the heads and sizes that the file declares."""
    past = {}
    for value in session.get_inputs():
        if value.type == FLOAT_TYPE:
            _, heads, _, size = value.shape
            past[value.name] = np.zeros((batch, heads, 0, size), dtype=np.float32)
    return past


def decode(folder: Path, prompt: Arrays, count: int) -> Any:
    session = load(folder / "model.onnx")
    mask = prompt["attention_mask"]
    known = {
        "input_ids": prompt["input_ids"],
        "attention_mask": mask,
        "position_ids": np.maximum(mask.cumsum(axis=1) - 1, 0),
        **empty_past(session, len(mask)),
    }
    tokens = []
    for _ in range(count):
        outputs = run(session, known)
        tokens.append(last_choice(outputs))
        mask = np.concatenate([mask, np.ones_like(mask[:, :1])], axis=1)
        known = {
            "input_ids": tokens[-1],
            "attention_mask": mask,
            "position_ids": mask.sum(axis=1, keepdims=True) - 1,
            **as_past(outputs),
        }
    return np.concatenate(tokens, axis=1)


def decode_from_encoder(folder: Path, prompt: Arrays, count: int) -> Any:
    encoder, first, following = (
        load(folder / f"{stem}.onnx")
        for stem in ("encoder_model", "decoder_model", "decoder_with_past_model")
    )
    known = {
        "input_ids": prompt["decoder_input_ids"],
        "encoder_hidden_states": run(encoder, prompt)["last_hidden_state"],
        "encoder_attention_mask": prompt.get("attention_mask"),
    }
    tokens = []
    for session in [first, *[following] * (count - 1)]:
        outputs = run(session, known)
        tokens.append(last_choice(outputs))
        known.update(as_past(outputs), input_ids=tokens[-1])
    return np.concatenate(tokens, axis=1)


def main(folder: Path, inputs: Path, count: int) -> None:
    prompt = dict(np.load(inputs))
    has_encoder = (folder / "encoder_model.onnx").is_file()
    tokens = (decode_from_encoder if has_encoder else decode)(folder, prompt, count)
    sys.stdout.write(json.dumps(tokens.tolist()))


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]), int(sys.argv[3]))
