"""The forms that the inputs of `forward` have, by their names: the tables behind feeds.

A form is a kind of values and the axes of a tensor. An axis is a name, a number, `@size` for a size
that the configuration states, or an expression over these.
"""

from __future__ import annotations

from collections.abc import Mapping

_TEXT = "batch_size, sequence_length"
_DECODER = "batch_size, decoder_sequence_length"
_IMAGE = "@channels, height, width"
_PATCHES = "grid_height * grid_width"

FORMS: Mapping[str, tuple[str, ...]] = {
    "input_ids": (
        f"ids: {_TEXT}",
        f"integers: {_TEXT}, @codebooks",
        "integers: batch_size * @codebooks, sequence_length",
        "integers: batch_size, @codebooks, sequence_length",
    ),
    "decoder_input_ids": (
        f"decoder-ids: {_DECODER}",
        "integers: batch_size * @codebooks, decoder_sequence_length",
        f"integers: {_DECODER}, @codebooks",
    ),
    "attention_mask": (
        f"mask: {_TEXT}",
        "mask: batch_size, num_frames",
        "mask: batch_size, num_samples",
        "booleans: batch_size, num_frames",
    ),
    "decoder_attention_mask": (f"mask: {_DECODER}",),
    "token_type_ids": (f"types: {_TEXT}", f"types: {_TEXT}, @type_vocabularies"),
    "mm_token_type_ids": (f"modalities: {_TEXT}",),
    "position_ids": (f"positions: {_TEXT}", f"positions: 3, {_TEXT}"),
    "bbox": (f"corners: {_TEXT}, 4",),
    "inputs_embeds": (f"floats: {_TEXT}, @hidden",),
    "encoder_hidden_states": (f"floats: {_TEXT}, @hidden",),
    "context_hidden_states": (f"floats: {_TEXT}, @hidden",),
    "pixel_values": (
        f"floats: batch_size, {_IMAGE}",
        f"floats: batch_size, num_images, {_IMAGE}",
        f"floats: batch_size, @video_frames, {_IMAGE}",
        f"floats: batch_size * {_PATCHES}, @patch_values",
        f"floats: batch_size * {_PATCHES}, @channels, @patch, @patch",
        f"floats: batch_size, {_PATCHES}, @plain_patch_values",
        f"floats: batch_size, 1, @tiles, {_IMAGE}",
        f"floats: batch_size, 3, {_IMAGE}",
        f"floats: batch_size * num_images, {_IMAGE}",
    ),
    "hidden_states": (
        f"floats: batch_size * {_PATCHES}, @patch_values",
        f"floats: batch_size * {_PATCHES}, @plain_patch_values",
        f"floats: {_TEXT}, @hidden",
    ),
    "pixel_values_videos": (
        f"floats: batch_size, @video_frames, {_IMAGE}",
        f"floats: batch_size * {_PATCHES}, @patch_values",
    ),
    "image_grid_thw": ("grid: batch_size, 3",),
    "video_grid_thw": ("grid: batch_size, 3",),
    "grid_thw": ("grid: batch_size, 3",),
    "image_grid_hw": ("grid: batch_size, 2",),
    "merge_sizes": ("twos: batch_size",),
    "image_merge_sizes": ("twos: batch_size",),
    "video_merge_sizes": ("twos: batch_size",),
    "aspect_ratio_ids": ("zeros: batch_size, 1",),
    "aspect_ratio_mask": ("mask: batch_size, 1, @tiles",),
    "cross_attention_mask": ("mask: batch_size, sequence_length, 1, @tiles",),
    "spatial_shapes": ("grid: batch_size, 2",),
    "target_sizes": ("grid: batch_size, 2",),
    "image_sizes": ("image-sizes: batch_size, 2",),
    "pixel_mask": ("mask: batch_size, height, width",),
    "pixel_attention_mask": (
        "mask: batch_size, height, width",
        f"mask: batch_size, {_PATCHES}",
        "mask: batch_size, num_images, height, width",
    ),
    "pixel_position_ids": (f"places: batch_size, {_PATCHES}, 2",),
    "image_position_ids": (f"places: batch_size, {_PATCHES}, 2",),
    "input_features": (
        "floats: batch_size, @mel, num_frames",
        "floats: batch_size, num_frames, @mel",
        "floats: batch_size, 1, @spectrogram, @mel",
        "floats: batch_size, num_samples",
    ),
    "audio_mel": ("floats: batch_size, num_frames, @mel",),
    "input_features_mask": ("mask: batch_size, num_frames", "booleans: batch_size, num_frames"),
    "feature_attention_mask": ("mask: batch_size, num_frames", "booleans: batch_size, num_frames"),
    "audio_mel_mask": ("hidden: batch_size, num_frames",),
    "input_values": (
        "floats: batch_size, num_samples",
        "floats: batch_size, @sound_channels, num_samples",
        "floats: batch_size, @spectrogram_frames, @mel",
        "floats: batch_size, num_frames, @mel",
    ),
    "decoder_input_values": ("floats: batch_size, decoder_sequence_length, @mel",),
    "padding_mask": ("booleans: batch_size, num_samples", "booleans: batch_size, num_frames"),
    "past_values": (
        "floats: batch_size, @history, @variates",
        "floats: batch_size, @history",
        "floats: batch_size, 4 * series_length",
    ),
    "past_time_features": ("floats: batch_size, @history, @time_features",),
    "past_observed_mask": (
        "ones: batch_size, @history, @variates",
        "ones: batch_size, @history",
    ),
    "past_values_padding": ("zeros: batch_size, @history", "zeros: batch_size, 4 * series_length"),
    "freq": ("zeros: batch_size, 1",),
    "static_categorical_features": ("zeros: batch_size, @static_categories",),
    "static_real_features": ("floats: batch_size, @static_reals",),
    "future_values": ("floats: batch_size, @prediction", "floats: batch_size, @prediction, 1"),
    "future_time_features": ("floats: batch_size, @prediction, @time_features",),
    "bool_masked_pos": ("some: batch_size, @patches",),
    "task_inputs": ("plain-ids: batch_size, @task_length",),
    "class_labels": ("plain-ids: batch_size, 3",),
    "input_points": ("points: batch_size, num_boxes, num_points, 2",),
    "input_labels": ("ones: batch_size, num_boxes, num_points",),
    "input_boxes": ("box-points: batch_size, num_boxes, 4",),
    "image_embeddings": ("floats: batch_size, @hidden, 4, 4",),
    "visual_feats": ("floats: batch_size, num_boxes, @visual_features",),
    "visual_pos": ("unit-boxes: batch_size, num_boxes, @visual_positions",),
    "qformer_input_ids": (f"plain-ids: {_TEXT}",),
    "qformer_attention_mask": (f"mask: {_TEXT}",),
    "langs": (f"zeros: {_TEXT}",),
    "class_input_ids": ("plain-ids: batch_size, sequence_length",),
    "classes_input_ids": ("plain-ids: batch_size * num_classes, sequence_length",),
    "classes_attention_mask": ("mask: batch_size * num_classes, sequence_length",),
    "tasks_input_ids": ("plain-ids: batch_size, sequence_length",),
    "tasks_attention_mask": ("mask: batch_size, sequence_length",),
    "depth_labels": ("floats: batch_size, height, width",),
    "prompt_pixel_values": (f"floats: batch_size, {_IMAGE}",),
    "prompt_masks": (f"floats: batch_size, {_IMAGE}",),
    "prompt_depth": ("floats: batch_size, 1, height, width",),
    "input_text_ids": (f"plain-ids: {_TEXT}",),
    "conditional_pixel_values": (f"floats: batch_size, {_IMAGE}",),
    "conditional_input_ids": ("plain-ids: batch_size, sequence_length",),
    "audio_codes": ("integers: batch_size, @codebooks, num_frames",),
    "speaker_embeddings": ("floats: batch_size, @speaker",),
    "noise_embeds": (f"floats: {_TEXT}, @hidden",),
    "query_embeds": ("floats: batch_size, @queries, @hidden",),
    "spectrogram": ("floats: batch_size, num_frames, @mel",),
    "pixel_values_for_video": (f"floats: batch_size, @video_frames, {_IMAGE}",),
}
"""Input -> its forms, the commonest first."""

TEXTS = frozenset({"input_ids", "attention_mask", "token_type_ids", "position_ids"})
"""Inputs with one more axis, of the choices, in multiple choice."""

MODALITY_OF_INPUT: Mapping[str, str] = {
    "pixel_values": "image",
    "pixel_values_videos": "video",
    "input_features": "audio",
    "input_values": "audio",
}

COMPANIONS: tuple[tuple[str, str, int], ...] = (
    ("pixel_values", "image_grid_thw", 3),
    ("pixel_values", "grid_thw", 3),
    ("pixel_values", "image_grid_hw", 3),
    ("pixel_values", "spatial_shapes", 5),
    ("pixel_values", "pixel_position_ids", 5),
    ("pixel_values", "image_position_ids", 5),
    ("pixel_values", "image_merge_sizes", 3),
    ("pixel_values", "aspect_ratio_ids", 6),
    ("pixel_values", "aspect_ratio_mask", 6),
    ("pixel_values_videos", "video_grid_thw", 1),
    ("pixel_values_videos", "video_merge_sizes", 1),
    ("hidden_states", "grid_thw", 0),
    ("input_ids", "mm_token_type_ids", 0),
    ("input_ids", "bbox", 0),
    ("input_features", "input_features_mask", -1),
    ("input_features", "feature_attention_mask", -1),
)
"""Input, an input that comes with it, and the form that the first one has then (-1: any)."""

ALTERNATIVES: Mapping[str, str] = {
    "inputs_embeds": "input_ids",
    "decoder_inputs_embeds": "decoder_input_ids",
    "encoder_outputs": "the encoder's inputs",
    "image_embeds": "pixel_values",
    "image_embeddings": "pixel_values",
    "vision_embeds": "pixel_values",
    "vision_features": "pixel_values",
    "image_hidden_states": "pixel_values",
    "image_encoder_embeddings": "pixel_values",
    "perceiver_embeddings": "pixel_values",
    "cross_attention_states": "pixel_values",
    "codebook_pixel_values": "pixel_values",
    "mm_encoder_outputs": "the inputs of the encoders",
    "rope_deltas": "position_ids",
    "cache_position": "position_ids",
    "input_values_cutoffs": "input_values",
    "audio_features": "input_features",
    "vision_outputs": "pixel_values",
    "text_embeds": "input_ids",
}
"""Input that forward takes in place of another -> the other one."""

SUPERSEDED: Mapping[str, tuple[str, int]] = {"position_ids": ("mm_token_type_ids", 1)}
"""Input that says all that another one says -> the other one, and the form that says the most.

Models count positions in several directions over the modalities of tokens, in loops over values
that no file can hold.
"""

NOT_FED = frozenset(
    {
        "labels",
        "cache",
        "cache_params",
        "past_key_values",
        "cross_attn_head_mask",
        "decoder_head_mask",
        "head_mask",
        "start_positions",
        "end_positions",
        "next_sentence_label",
        "sentence_order_label",
        "mask_labels",
        "perm_mask",
        "target_mapping",
        "class_labels_of_masks",
        "return_loss",
        "return_dict",
        "use_cache",
        "output_attentions",
        "output_hidden_states",
        "interpolate_pos_encoding",
        "logits_to_keep",
        "num_logits_to_keep",
        "encoder_attention_mask",
        "encoder_hidden_states",
        "decoder_position_ids",
        "output_router_logits",
        "is_decoder",
    }
)
"""Arguments for training, for the choice of what is predicted, and for the cache; switches."""

OPTIONAL = (
    "attention_mask",
    "token_type_ids",
    "pixel_mask",
    "pixel_attention_mask",
    "decoder_attention_mask",
    "input_features_mask",
    "feature_attention_mask",
    "padding_mask",
    "position_ids",
    "bbox",
    "image_sizes",
)
"""Inputs that are tried in addition, once a feed runs."""
