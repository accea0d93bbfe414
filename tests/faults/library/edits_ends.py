"""Edits that are wrong only near the end of a domain, at a landmark, or within a range of sizes."""

from __future__ import annotations

from tests.faults.library.cases import edited
from tests.faults.library.conditions import attending_to, longer_than, off_where
from tests.faults.library.edits_seq2seq import ENCODER, SELF, STEP
from tests.faults.library.ingredients import at_most
from tests.faults.library.subjects import BERT, GPT2, LLAMA, T5
from tests.faults.library.surgery import Argument, Array, Read, Weight

TABLE = 64
"""Positions of the tiny models of bert, gpt2 and llama."""

MIDDLE = (TABLE * 3 // 8, TABLE * 5 // 8)
"""The quarter in the middle of such a table, without its end."""


def half(table: Array) -> Array:
    return table[: len(table) // 2]


def _without_middle(table: Array) -> Array:
    table[slice(*MIDDLE)] = 0
    return table


TABLES = (
    edited(
        "table-cut-in-half",
        BERT,
        "agreement",
        "the file contains only the first half of the position table",
        Weight("position_embeddings.weight", half),
    ),
    edited(
        "table-cut-in-half",
        GPT2,
        "agreement",
        "the file contains only the first half of the position table",
        Weight("wpe.weight", half),
    ),
    edited(
        "table-without-middle",
        BERT,
        "agreement",
        "the middle quarter of the position table is zero",
        Weight("position_embeddings.weight", _without_middle),
    ),
    edited(
        "table-without-middle",
        GPT2,
        "agreement",
        "the middle quarter of the position table is zero",
        Weight("wpe.weight", _without_middle),
    ),
    edited(
        "rotation-stops-halfway",
        LLAMA,
        "agreement",
        "the file has the angles of the first half of the positions only",
        Read("position_ids", at_most(TABLE // 2 - 1)),
    ),
    edited(
        "buckets-start-again",
        T5,
        "agreement",
        "distances beyond the last bucket start again at the first one",
        Argument(
            SELF + "Where", 2, "k = Constant<value_int=4>() y = Mod(v, k)", {"v": SELF + "Add_1"}
        ),
        part=ENCODER,
    ),
    edited(
        "buckets-without-last",
        T5,
        "agreement",
        "distances beyond the last bucket are not in the table",
        Argument(
            "decoder/" + SELF + "Where", 2, "y = Identity(v)", {"v": "decoder/" + SELF + "Add_1"}
        ),
        part=STEP,
    ),
)

MASKS = (
    edited(
        "mask-of-few-rows",
        GPT2,
        "agreement",
        "the causal mask is a constant of 48 rows, and later tokens have the last one",
        Argument("transformer/LessOrEqual", 1, at_most(47)),
    ),
    edited(
        "mask-of-few-keys",
        LLAMA,
        "agreement",
        "the causal mask is a constant of 48 columns, and no token sees later keys",
        Read(
            "model/LessOrEqual",
            "n = Constant<value_int=48>() i = Less(k, n) y = And(x, i)",
            {"k": "model/Unsqueeze_8"},
        ),
    ),
)

LENGTHS = (
    *(
        edited(
            "off-beyond-thirty-tokens",
            subject,
            "agreement",
            "logits are 0.5 too large for texts of more than 30 tokens",
            off_where(longer_than(30)),
        )
        for subject in (BERT, GPT2, LLAMA)
    ),
    *(
        edited(
            "off-in-the-middle",
            subject,
            "agreement",
            "logits are 0.5 too large for lengths in the middle quarter of the table",
            off_where(attending_to(*MIDDLE)),
        )
        for subject in (BERT, GPT2, LLAMA)
    ),
)

FAULTS = (*TABLES, *MASKS, *LENGTHS)
