"""The handwritten digits of scikit-learn, 8 x 8 pixels, split into images to learn and to test."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from sklearn.datasets import load_digits
from sklearn.model_selection import train_test_split


@dataclass(frozen=True, slots=True)
class Digits:
    """`pixels` are float32 [images, 1, 8, 8] in [-1, 1], `labels` int64 [images]."""

    pixels: torch.Tensor
    labels: torch.Tensor


def load() -> tuple[Digits, Digits]:
    """Return the 1,347 images to learn and the 450 to test; the split is always the same."""
    pixels, labels = load_digits(return_X_y=True)
    parts = train_test_split(pixels, labels, test_size=450, random_state=0, stratify=labels)
    learnt, tested, learnt_labels, tested_labels = map(torch.tensor, parts)
    return _digits(learnt, learnt_labels), _digits(tested, tested_labels)


def _digits(pixels: torch.Tensor, labels: torch.Tensor) -> Digits:
    return Digits((pixels.float() / 8 - 1).reshape(-1, 1, 8, 8), labels.long())
