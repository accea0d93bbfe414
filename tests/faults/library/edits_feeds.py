"""Edits that are wrong only for the feeds that users have most often."""

from __future__ import annotations

from tests.faults.library.cases import edited
from tests.faults.library.conditions import (
    ALL_SEEN,
    FROM_PAST,
    FROM_ZERO,
    HAS_PAST,
    NO_PAST,
    ONE_TYPE,
    Condition,
    attending_to,
    longer_than,
    off_where,
    rows,
    without,
)
from tests.faults.library.core import Fault
from tests.faults.library.subjects import BERT, GPT2, LLAMA, Subject

FAR = (41, 1 << 20)
"""More than 40 tokens; the past counts too."""

PADDING = 1
"""The padding token of the tiny model of bert."""


def _off(name: str, subject: Subject, mechanism: str, *conditions: Condition) -> Fault:
    """Return a fault: logits are 0.5 too large where all conditions hold."""
    return edited(
        name, subject, "agreement", f"logits are 0.5 too large {mechanism}", off_where(*conditions)
    )


POSITIONS = tuple(
    fault
    for subject in (GPT2, LLAMA)
    for fault in (
        _off(
            "off-at-ordinary-positions",
            subject,
            "for more than 30 tokens at the positions 0, 1, ...",
            longer_than(30),
            FROM_ZERO,
        ),
        _off(
            "off-at-ordinary-positions-after-a-past",
            subject,
            "after a past, at consecutive positions",
            HAS_PAST,
            FROM_PAST,
        ),
    )
)

CALLS = (
    _off(
        "off-for-one-long-text",
        BERT,
        "for more than 30 tokens in a batch of one",
        longer_than(30),
        rows(1),
    ),
    _off(
        "off-for-one-long-text",
        GPT2,
        "for more than 30 tokens in a batch of one, at ordinary positions",
        longer_than(30),
        rows(1),
        FROM_ZERO,
    ),
    _off(
        "off-after-a-long-past",
        GPT2,
        "for several tokens after a past, beyond 40 tokens, at ordinary positions",
        longer_than(1),
        HAS_PAST,
        attending_to(*FAR),
        FROM_PAST,
    ),
    _off(
        "off-for-a-first-token", GPT2, "for one token without a past", NO_PAST, attending_to(1, 2)
    ),
)

OTHERS = (
    _off(
        "off-where-all-is-seen",
        BERT,
        "for more than 8 tokens with a mask of ones",
        longer_than(8),
        ALL_SEEN,
    ),
    _off(
        "off-where-all-is-seen",
        LLAMA,
        "for more than 8 tokens with a mask of ones",
        longer_than(8),
        ALL_SEEN,
    ),
    _off(
        "off-for-one-token-type",
        BERT,
        "for more than 8 tokens of type 0",
        longer_than(8),
        ONE_TYPE,
    ),
    _off(
        "off-for-plain-tokens",
        BERT,
        "for more than 30 tokens without padding among them",
        longer_than(30),
        without(PADDING),
    ),
)

FAULTS = (*POSITIONS, *CALLS, *OTHERS)
