"""A small random model of every family, as transformers builds it."""

import transformers

_LAYERS = {"hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 2, "intermediate_size": 64}
_IMAGES = {**_LAYERS, "image_size": 32, "patch_size": 8}
_TEXT = {**_LAYERS, "vocab_size": 40, "max_position_embeddings": 66}
_SWIN = {"image_size": 32, "patch_size": 2, "embed_dim": 16, "depths": [1, 2], "num_heads": [2, 2], "window_size": 4}
_ENDS = {"pad_token_id": 1, "mask_token_id": 3, "bos_token_id": 0, "eos_token_id": 2}
_MODERN = {**_ENDS, "cls_token_id": 0, "sep_token_id": 2, "local_attention": 8, "global_attn_every_n_layers": 2}
_DISTIL = {"dim": 32, "n_layers": 2, "n_heads": 2, "hidden_dim": 64, "vocab_size": 40, "max_position_embeddings": 64}
_V3 = {"relative_attention": True, "position_buckets": 8, "norm_rel_ebd": "layer_norm", "pos_att_type": "p2c|c2p"}
_V3 |= {"position_biased_input": False, "type_vocab_size": 0, "share_att_key": True, "conv_kernel_size": 3}
_SHARED = {"use_shared_relative_position_bias": True, "use_absolute_position_embeddings": True}

CONFIGS = {
    "beit": transformers.BeitConfig(**_IMAGES, use_relative_position_bias=True),
    "beit, shared": transformers.BeitConfig(**_IMAGES, **_SHARED, use_mean_pooling=False),
    "clip": transformers.CLIPVisionConfig(**_IMAGES),
    "deit": transformers.DeiTConfig(**_IMAGES),
    "dinov2": transformers.Dinov2Config(**_IMAGES),
    "dinov2, registers": transformers.Dinov2WithRegistersConfig(**_IMAGES),
    "siglip": transformers.SiglipVisionConfig(**_IMAGES),
    "swin": transformers.SwinConfig(**_SWIN),
    "swinv2": transformers.Swinv2Config(**_SWIN),
    "vit": transformers.ViTConfig(**_IMAGES),
    "bert": transformers.BertConfig(**_TEXT),
    "deberta": transformers.DebertaV2Config(**_TEXT, **_V3, conv_act="gelu"),
    "deberta, absolute": transformers.DebertaV2Config(**_TEXT, type_vocab_size=2),
    "distilbert": transformers.DistilBertConfig(**_DISTIL),
    "electra": transformers.ElectraConfig(**_TEXT, embedding_size=16),
    "esm": transformers.EsmConfig(**_TEXT, **_ENDS, position_embedding_type="rotary", token_dropout=True),
    "modernbert": transformers.ModernBertConfig(**_TEXT, **_MODERN),
    "mpnet": transformers.MPNetConfig(**_TEXT),
    "roberta": transformers.RobertaConfig(**_TEXT),
    "xlm-roberta": transformers.XLMRobertaConfig(**_TEXT),
}
