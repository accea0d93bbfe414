"""Edits of vision models: images, patches, pooling, and scores of texts against images."""

from __future__ import annotations

from tests.faults.library.cases import edited
from tests.faults.library.ingredients import (
    ALL_SEEN,
    AS_HALF,
    FIRST_ROW,
    as_half,
    backwards,
    rolled,
    taken,
    within,
)
from tests.faults.library.subjects import CLIP, VIT
from tests.faults.library.surgery import Argument, Read, Returned, Swapped, Weight

IMAGES = (
    edited(
        "channels-reversed",
        VIT,
        "agreement",
        "red and blue are exchanged",
        Read("pixel_values", taken("2,1,0", axis=1)),
    ),
    edited(
        "height-for-width",
        VIT,
        "agreement",
        "patches run down columns, not along rows",
        Argument("patch_embeddings/Reshape", 0, "y = Transpose<perm=[0,1,3,2]>(x)"),
        "huggingface/transformers#33181",
    ),
    edited(
        "images-mirrored",
        VIT,
        "agreement",
        "left and right are exchanged",
        Read("pixel_values", backwards(3)),
    ),
    edited(
        "positions-rolled",
        VIT,
        "agreement",
        "positions of patches are shifted by one",
        Weight("position_embeddings", lambda table: rolled(table[0])[None]),
        "huggingface/transformers#18199",
    ),
    edited(
        "pools-a-patch",
        VIT,
        "agreement",
        "the first patch is pooled, not the class token",
        Argument("model/Gather", 1, "y = Constant<value_int=1>()"),
    ),
    edited(
        "sees-first-image",
        VIT,
        "agreement",
        "all rows of a batch get the first image",
        Read("pixel_values", FIRST_ROW),
    ),
    edited(
        "baked-batch",
        VIT,
        "agreement",
        "the class token is repeated for the batch size of the export",
        Argument("vit/embeddings/Expand", 1, "y = Constant<value_ints=[3,1,1]>()"),
        "huggingface/optimum#2320",
    ),
    edited(
        "pixels-as-half",
        VIT,
        "agreement",
        "pixels are rounded to float16",
        Read("pixel_values", AS_HALF),
        "huggingface/optimum#1845",
    ),
    edited(
        "pixels-cut",
        VIT,
        "agreement",
        "pixels are clipped at 4 standard deviations",
        Read("pixel_values", within(4.0)),
        "microsoft/onnxruntime#21345",
    ),
)

TEXTS_AND_IMAGES = (
    edited(
        "pools-last-token",
        CLIP,
        "agreement",
        "texts are pooled at their last token, not at the end token",
        Read(
            "text_model/ArgMax",
            "n = Shape(t) i = Constant<value_int=1>() l = Gather(n, i) "
            "m = Sub(l, i) q = Sub(x, x) y = Add(q, m)",
            {"t": "input_ids"},
        ),
    ),
    edited(
        "pools-largest-id",
        CLIP,
        "agreement",
        "texts are pooled at their largest id, as in older configurations",
        Argument("text_model/ArgMax", 0, "y = Identity(t)", {"t": "input_ids"}),
    ),
    edited(
        "ignores-mask",
        CLIP,
        "agreement",
        "the mask of texts has no effect",
        Read("attention_mask", ALL_SEEN),
    ),
    edited(
        "texts-see-the-future",
        CLIP,
        "agreement",
        "the causal mask of texts has no effect",
        Read("text_model/LessOrEqual", "n = Not(x) y = Or(x, n)"),
    ),
    edited(
        "scores-not-scaled",
        CLIP,
        "agreement",
        "the learnt scale of the scores is lost",
        Read("Exp", "y = Div(x, x)"),
    ),
    edited(
        "images-not-normalised",
        CLIP,
        "agreement",
        "image embeddings are not normalised",
        Returned("image_embeds", "y = Identity(e)", {"e": "visual_projection/MatMul"}),
    ),
    edited(
        "scores-of-the-other-side",
        CLIP,
        "dynamic-axes",
        "scores per image and scores per text are exchanged",
        Swapped("logits_per_image", "logits_per_text"),
    ),
    edited(
        "embeddings-of-the-other-side",
        CLIP,
        "dynamic-axes",
        "image and text embeddings are exchanged",
        Swapped("text_embeds", "image_embeds"),
    ),
    edited(
        "sees-first-image",
        CLIP,
        "agreement",
        "all texts are scored against the first image",
        Read("pixel_values", FIRST_ROW),
    ),
    edited(
        "embeddings-as-half",
        CLIP,
        "agreement",
        "the token embeddings are rounded to float16",
        Weight("token_embedding.weight", as_half),
        "huggingface/optimum#607",
    ),
)

FAULTS = (*IMAGES, *TEXTS_AND_IMAGES)
