"""What the settings of a configuration are about, by their names: the tables behind shrinking.

No table names a model type. A name that no table knows keeps its default value.
"""

from __future__ import annotations

import functools
import re
from collections.abc import Mapping
from enum import Enum


class Kind(Enum):
    """What an integer setting, or a list of integers, is about."""

    VOCABULARY = "size of a vocabulary"
    TOKEN = "id of a token"  # noqa: S105 - ids of tokens of a vocabulary
    EXPERTS = "number of experts"
    CHOSEN = "number of experts or keys chosen"
    GROUPS = "number of groups of experts"
    QUERIES = "number of learned queries"
    INTERVAL = "every how many layers"
    OFFSET = "first layer of a kind"
    POSITIONS = "number of positions"
    IMAGE = "height and width of an image"
    WINDOW = "attention window or block"
    CHUNK = "length of a chunk of a scan"
    HEAD_SIZE = "width of a head"
    HEADS = "number of heads"
    LAYERS = "number of layers"
    FEED_FORWARD = "width within a feed-forward block"
    WIDTH = "width of a tensor"


PLACEHOLDER_TOKENS: Mapping[str, tuple[str, ...]] = {
    "image": (
        "image_token_id",
        "image_token_index",
        "img_token_id",
        "image_pad_token_id",
        "im_patch_id",
        "image_patch_token_id",
        "boi_token_id",
    ),
    "video": ("video_token_id", "video_token_index"),
    "audio": (
        "audio_token_id",
        "audio_token_index",
        "audio_pad_token_id",
        "speech_token_id",
    ),
}
"""Modality -> settings with the id of its placeholder token."""

_TABLE: tuple[tuple[Kind, str, str], ...] = (
    (
        Kind.VOCABULARY,
        r"vocab_size|byte_group_vocab|codebook_size|num_embeddings|vocabulary_size|n_vocab"
        r"|num_codevectors_per_group|bins$|token_count|^num_\w+_labels$",
        r"^type_vocab_size$",
    ),
    (
        Kind.TOKEN,
        r"_token_id|_token_index|_token_ids|_token$|^(bo|eo)[a-z]_(token_)?(id|index)$|blank_id"
        r"|_id$|pad_idx|padding_idx",
        r"layer_id|codebook_pad|use_|add_|semantic_loss",
    ),
    (
        Kind.EXPERTS,
        r"num_experts$|n_routed_experts|num_local_experts|num_moe_experts|num_routed_experts"
        r"|n_experts|expert_count",
        "",
    ),
    (
        Kind.CHOSEN,
        r"experts_per_tok|moe_k|moe_topk|top_k_experts|num_selected_experts|^top_k$|moe_top_k"
        r"|index_topk$",
        "",
    ),
    (Kind.GROUPS, r"^(n_group|num_expert_groups?)$", ""),
    (
        Kind.QUERIES,
        r"num_queries|num_query_tokens|num_object_queries|num_latents|resampler_n_latents"
        r"|query_num|num_denoising",
        "",
    ),
    (Kind.OFFSET, r"layer_offset$|^first_k_dense_replace$|^max_window_layers$", ""),
    (
        Kind.INTERVAL,
        r"interval$|_period$|every_n|every$|_pattern$|layer_freq|_frequency$|sparse_step|_every_"
        r"|layer_step",
        "",
    ),
    (
        Kind.POSITIONS,
        r"max_position_embeddings|n_positions|max_source_positions|max_target_positions"
        r"|max_positions|max_2d_position|max_seq_len|max_sequence_length|model_max_length"
        r"|max_text_len|n_ctx|seq_length$",
        "image",
    ),
    (Kind.IMAGE, r"(^|_)(image_size|img_size|input_size_img|spec_size|crop_size)$", ""),
    (
        Kind.WINDOW,
        r"^(sliding_window(_size)?|attention_window|local_attention(_size)?|local_window_size"
        r"|attention_chunk_size|block_size|window_attention_size)$",
        "",
    ),
    (Kind.CHUNK, r"^(mamba_chunk_size|chunk_size|linear_chunk_size)$", ""),
    (
        Kind.HEAD_SIZE,
        r"(^|_)(head_dim|head_size|d_kv|dim_head|d_head)$|_head_dim$",
        "",
    ),
    (
        Kind.HEADS,
        r"(^|_)(num_|n_)?(attention_|attn_|key_value_|kv_|query_|q_|key_|value_|index_|mamba_"
        r"|linear_|ssm_|cross_attention_|sliding_)*heads?$",
        r"detection_head|use_head|^head$|resnet_head|use_.*head|iou|num_prediction_heads",
    ),
    (
        Kind.LAYERS,
        r"^(n_layers?|(vision_|encoder_|decoder_|resampler_)?depth|.*num_hidden_layers"
        r"|.*num_layers|num_.*_layers|.*_layers|n_blocks|num_blocks|num_residual_layers"
        r"|num_res_blocks)$",
        r"feat_extract|kv_shared|kv_sharing|adapter_layers|lstm|postnet|prenet|first_k|max_window"
        r"|upsampl|conv_layers|dense|cross_layer|use_|global|iou|freeze|skip|nextn|mtp"
        r"|source_layers|no_rope",
    ),
    (
        Kind.FEED_FORWARD,
        r"intermediate.*(size|dim)|ffn|d_ff|mlp_dim|mlp_hidden|inner|feed_forward.*(size|dim)"
        r"|linear_units",
        r"factor|multiplier|ratio",
    ),
    (
        Kind.WIDTH,
        r"hidden_size|d_model|_dim$|^dim$|embed_dim|hidden_dim|n_embd|_size$|_units$|_channels$"
        r"|_channel$|num_filters|n_filters|_rank$|channels$|pos_feats|^width$|projection|_width$"
        r"|upsample_groups|_hidden$|filters$|_dimension$|features?$|_dims$|state_size",
        r"kernel|window|chunk|batch|merge|patch_size|image_size|block_size|context_size|buffer"
        r"|vocab|num_channels|audio_channels|input_channels|type_vocab|tubelet|stride|temporal"
        r"|context|conv_size|frame|step|sampling|(?<!down)(?<!up)sample_|factor|max_|feat_size"
        r"|look|queue|tile|pool|grid|feature_layer|hop|fft|win_|roi|background|mask_input|crop"
        r"|memory_size|cell|bucket|iou|position_embedding_size|embedding_out|in_channel$|fifo|sum"
        r"|group_size|rope_dim$|keypoint_decoder_dim",
    ),
)
"""Kind, pattern of names, pattern of names that are not meant. The first row that fits counts."""

_ROWS = tuple((kind, re.compile(p), re.compile(n) if n else None) for kind, p, n in _TABLE)

LARGEST: Mapping[Kind, int] = {
    Kind.EXPERTS: 6,
    Kind.CHOSEN: 3,
    Kind.GROUPS: 2,
    Kind.QUERIES: 9,
    Kind.INTERVAL: 2,
    Kind.OFFSET: 1,
    Kind.POSITIONS: 120,
    Kind.WINDOW: 4,
    Kind.CHUNK: 4,
}
"""The largest value of a kind in a tiny model. Smaller defaults stay."""

LARGEST_OF_NAME: Mapping[str, int] = {
    "codebook_size": 128,
    "num_hash_buckets": 64,
    "context_size": 16,
    "topk_group": 1,
    "num_kv_shared_layers": 0,
    "max_length": 64,
    "index_kpool": 1,
    "index_topk": 4,
    "num_groups": 8,
    "pos_emb_height": 8,
    "pos_emb_width": 8,
    "mamba_n_groups": 2,
    "n_groups": 2,
    "mamba_ngroups": 2,
    "context_length": 32,
    "prediction_length": 8,
}

SHARES_OF_NAME: Mapping[str, float] = {
    "depth_multiplier": 0.25,
    "depth_coefficient": 0.3,
    "width_coefficient": 0.25,
}
"""The largest factor of the depths or widths of a model."""

HIDDEN_NAMES = ("hidden_size", "d_model", "embed_dim", "dim", "n_embd", "hidden_dim")
HEADS_NAMES = (
    "num_attention_heads",
    "encoder_attention_heads",
    "num_heads",
    "n_head",
    "attention_heads",
)
KEY_VALUE_HEADS = ("num_key_value_heads", "num_kv_heads", "n_head_kv")

LAYER_INDEXES = re.compile(
    r"(index|indexes|indices|idxs?|cross_attention_layers|extract_layers|global_attention_blocks"
    r"|global_attn|_layer_ids|feature_layers?|out_layers|fullatt|full_att|subsample_layers"
    r"|encode_proj_layers|aux_layers|mlp_only_layers)"
)
LAST_LAYERS = re.compile(r"out_indices|out_layers|reassemble|feature_layer|extract|select")
"""Lists of layers of which each gives an output, the last ones in a tiny model."""
ONE_LAYER = re.compile(r"fullatt|global|full_att|cross_attention_layers")
FEATURE_LAYER = re.compile(r"feature_layers?$")
STAGE_DEPTHS = re.compile(
    r"(depths|num_blocks|stage_num_blocks|blocks_per_stage|numb_of_layers|num_block_repeats"
    r"|layers_per_block)$"
)
STAGE_WIDTHS = re.compile(
    r"(hidden_sizes|conv_dim|tdnn_dim|embed_dims?|out_channels|in_channels|mid_channels|channels"
    r"|embed_dim_per_stage|channel_list|dims|stem_channels|channel_size|num_channels|feature_size)"
)
DROPOUT = re.compile(r"drop(out|_prob|_rate)?($|_)|pdrop$")
NOT_DROPOUT = re.compile(r"layer_?drop|drop_path|drop_tokens")


@functools.cache
def kind_of(name: str) -> Kind | None:
    """Return what a setting is about; None if no table knows its name."""
    for kind, pattern, excluded in _ROWS:
        if pattern.search(name) and not (excluded and excluded.search(name)):
            return kind
    return None
