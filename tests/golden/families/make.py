"""Tiny random models of the families with Hugging Face transformers' float64 logits, for families_test.cpp.

Usage: make.py FOLDER    writes FOLDER/NAME/{config.json, model.safetensors} and FOLDER/NAME.json (ids, logits, greedy)
       make.py FOLDER NAME...    writes those alone
Models with LongRoPE also have the logits of their first ids as a text within the original length: "short".
Written with torch 2.15 and transformers 5.23. Weights are rounded to F16, which the files hold, before the logits are computed.
"""

import json
import pathlib
import sys

import torch
from transformers import (DbrxConfig, DbrxForCausalLM, Ernie4_5_MoeConfig, Ernie4_5_MoeForCausalLM, Gemma3ForCausalLM,
                          Gemma3TextConfig, Glm4MoeConfig, Glm4MoeForCausalLM, GraniteMoeConfig, GraniteMoeForCausalLM,
                          GraniteMoeSharedConfig, GraniteMoeSharedForCausalLM, HunYuanMoEV1Config, HunYuanMoEV1ForCausalLM,
                          Llama4ForCausalLM, Llama4TextConfig, LlamaConfig, LlamaForCausalLM, MiniMaxM2Config, MiniMaxM2ForCausalLM, OlmoeConfig,
                          OlmoeForCausalLM, PhimoeConfig, PhimoeForCausalLM, Qwen2Config, Qwen2ForCausalLM, Qwen2MoeConfig,
                          Qwen2MoeForCausalLM, Qwen3MoeConfig, Qwen3MoeForCausalLM)
from transformers.modeling_rope_utils import ROPE_INIT_FUNCTIONS

COMMON = dict(vocab_size=64, hidden_size=32, intermediate_size=48, num_attention_heads=4, max_position_embeddings=64,
              bos_token_id=1, eos_token_id=2, pad_token_id=0)
QWEN2 = dict(COMMON, num_hidden_layers=2, num_key_value_heads=2, rope_theta=1e6, use_sliding_window=False, layer_types=None)
# Windows of 8 positions on two of three layers; a scale of attention that is not that of the head size.
GEMMA3 = dict(COMMON, num_hidden_layers=3, num_key_value_heads=1, head_dim=16, sliding_window=8, query_pre_attn_scalar=24,
              layer_types=["sliding_attention", "sliding_attention", "full_attention"],
              rope_parameters={"full_attention": {"rope_type": "default", "rope_theta": 1e6},
                               "sliding_attention": {"rope_type": "default", "rope_theta": 1e4}})
# 8 small experts, 3 of them for each token; what a family has of its own beside that is on, away from its default.
MIXTURE = dict(COMMON, num_hidden_layers=2, num_key_value_heads=2, num_experts_per_tok=3, tie_word_embeddings=False)
GRANITE = dict(MIXTURE, num_local_experts=8, intermediate_size=16, embedding_multiplier=6.0, residual_multiplier=0.22,
               attention_multiplier=0.2, logits_scaling=4.0)
# Contexts of four times the original length, by factors of each of a head's four frequencies.
LONGROPE = dict(rope_type="longrope", rope_theta=1e4, original_max_position_embeddings=16, short_factor=[1.0, 1.05, 1.1, 1.3],
                long_factor=[1.1, 1.4, 2.5, 4.0])
MODELS = {
    "llama_longrope": (LlamaForCausalLM, LlamaConfig,
                       dict(COMMON, num_hidden_layers=2, num_key_value_heads=2, tie_word_embeddings=False, rope_parameters=LONGROPE)),
    "phimoe": (PhimoeForCausalLM, PhimoeConfig,  # a jitter that leaves several experts to each softmax
               dict(MIXTURE, num_local_experts=8, num_experts_per_tok=2, intermediate_size=16, attention_bias=True, lm_head_bias=True,
                    router_jitter_noise=0.2, rope_parameters=dict(LONGROPE, short_mscale=1.1, long_mscale=1.25))),
    "qwen2": (Qwen2ForCausalLM, Qwen2Config, dict(QWEN2, tie_word_embeddings=False)),
    "qwen2_tied": (Qwen2ForCausalLM, Qwen2Config, dict(QWEN2, tie_word_embeddings=True)),
    "gemma3": (Gemma3ForCausalLM, Gemma3TextConfig, GEMMA3),
    "olmoe": (OlmoeForCausalLM, OlmoeConfig, dict(MIXTURE, num_experts=8, intermediate_size=16, clip_qkv=1.5)),
    "qwen2_moe": (Qwen2MoeForCausalLM, Qwen2MoeConfig,
                  dict(MIXTURE, num_experts=8, moe_intermediate_size=16, shared_expert_intermediate_size=24)),
    "qwen3_moe": (Qwen3MoeForCausalLM, Qwen3MoeConfig,  # more than 64 experts; a dense layer before them; wide heads
                  dict(MIXTURE, num_experts=72, num_experts_per_tok=7, moe_intermediate_size=8, head_dim=16, norm_topk_prob=True,
                       mlp_only_layers=[0])),
    "granitemoe": (GraniteMoeForCausalLM, GraniteMoeConfig, GRANITE),
    "granitemoeshared": (GraniteMoeSharedForCausalLM, GraniteMoeSharedConfig, dict(GRANITE, shared_intermediate_size=24)),
    "glm4_moe": (Glm4MoeForCausalLM, Glm4MoeConfig,
                 dict(MIXTURE, n_routed_experts=8, moe_intermediate_size=16, n_shared_experts=2, routed_scaling_factor=1.5,
                      num_mtp_layers=0, use_qk_norm=True, attention_bias=True)),
    "glm4_moe_groups": (Glm4MoeForCausalLM, Glm4MoeConfig,  # two of four groups of experts; no norms of heads, no biases
                        dict(MIXTURE, n_routed_experts=12, moe_intermediate_size=16, n_shared_experts=1, n_group=4, topk_group=2,
                             num_mtp_layers=0, norm_topk_prob=False)),
    "ernie4_5_moe": (Ernie4_5_MoeForCausalLM, Ernie4_5_MoeConfig,  # every second layer from the third on
                     dict({k: v for k, v in MIXTURE.items() if k != "num_experts_per_tok"}, num_hidden_layers=6, moe_num_experts=8,
                          moe_k=3, moe_intermediate_size=16, moe_layer_start_index=2, moe_layer_interval=2)),
    "hunyuan_v1_moe": (HunYuanMoEV1ForCausalLM, HunYuanMoEV1Config,
                       dict({k: v for k, v in MIXTURE.items() if k != "num_experts_per_tok"}, num_experts=8, moe_topk=3, head_dim=16,
                            intermediate_size=16)),
    "minimax_m2": (MiniMaxM2ForCausalLM, MiniMaxM2Config,
                   dict(MIXTURE, num_local_experts=8, intermediate_size=16, head_dim=16,
                        rope_parameters={"rope_type": "default", "rope_theta": 5e6, "partial_rotary_factor": 0.5})),
    "dbrx": (DbrxForCausalLM, DbrxConfig,
             dict(vocab_size=64, d_model=32, n_heads=4, n_layers=2, max_seq_len=64, bos_token_id=1, eos_token_id=2, pad_token_id=0,
                  rope_parameters={"rope_type": "default", "rope_theta": 5e5},
                  attn_config=dict(kv_n_heads=2, clip_qkv=1.5, rope_theta=5e5),
                  ffn_config=dict(ffn_hidden_size=16, moe_num_experts=8, moe_top_k=3))),
    "llama4": (Llama4ForCausalLM, Llama4TextConfig,  # experts on every second layer; chunks of 8 positions on three of four
               dict(MIXTURE, num_hidden_layers=4, num_local_experts=8, num_experts_per_tok=2, intermediate_size=16,
                    intermediate_size_mlp=48, head_dim=16, interleave_moe_layer_step=2, attention_chunk_size=8, floor_scale=6,
                    attn_scale=0.3)),
}
N_IDS = 29
N_GREEDY = 32
N_SHORT = 12
# Those that choose experts by scores and a bias of their own, which is a buffer.
CHOICE_BIAS = "e_score_correction_bias"


# transformers 5.23 takes phimoe's short factors at every length. Its authors' own code takes the long ones where a text is longer
# than the original length, as LongRoPE does everywhere else.
def factors_by_length(rotary, args, kwargs):
    n = int(kwargs["position_ids"].max()) + 1
    rotary.rope_init_fn = lambda config: ROPE_INIT_FUNCTIONS["longrope"](config, seq_len=n)


def write(folder, name, kind, config):
    torch.manual_seed(sum(name.encode()))
    model = kind(config).double().eval()
    for key, weight in model.named_parameters():
        spread = 0.3 if weight.dim() == 1 else 1.5 / weight.shape[-1] ** 0.5
        offset = 1.0 if "norm" in key and key.endswith("weight") and "gemma3" not in name else 0.0  # Gemma's norms are 1 + w
        weight.data = (torch.randn_like(weight) * spread + offset).half().double()
    for key, buffer in model.named_buffers():
        if key.endswith(CHOICE_BIAS):
            buffer.data = (torch.randn_like(buffer) * 0.1).half().double()
    for key, weight in model.named_parameters():
        if key.endswith(CHOICE_BIAS):
            weight.data = (torch.randn_like(weight) * 0.1).half().double()
    model.tie_weights()
    if name == "phimoe":
        model.model.rotary_emb.register_forward_pre_hook(factors_by_length, with_kwargs=True)
    ids = torch.randint(3, config.vocab_size, (1, N_IDS))
    with torch.no_grad():
        logits = model(ids).logits[0]
        short = model(ids[:, :N_SHORT]).logits[0]
        greedy = ids
        for _ in range(N_GREEDY):
            greedy = torch.cat([greedy, model(greedy).logits[:, -1:].argmax(-1)], dim=1)
    model.half().save_pretrained(folder / name)
    (folder / name / "generation_config.json").unlink(missing_ok=True)
    reference = {"ids": ids[0].tolist(), "logits": rounded(logits), "greedy": greedy[0, N_IDS:].tolist()}
    if (config.rope_parameters or {}).get("rope_type") == "longrope":
        reference["short"] = {"ids": ids[0, :N_SHORT].tolist(), "logits": rounded(short)}
    (folder / f"{name}.json").write_text(json.dumps(reference) + "\n")


def rounded(logits):
    return [float(f"{value:.9g}") for value in logits.flatten().tolist()]


if __name__ == "__main__":
    out = pathlib.Path(sys.argv[1])
    for model_name, (model_kind, config_kind, settings) in MODELS.items():
        if sys.argv[2:] and model_name not in sys.argv[2:]:
            continue
        write(out, model_name, model_kind, config_kind(**settings, attn_implementation="eager", experts_implementation="eager"))
