"""Tiny random models of the DeepSeek line with float64 logits and 32 greedy ids, for families_test.cpp.

Usage: deepseek.py FOLDER    writes FOLDER/NAME/{config.json, model.safetensors} and FOLDER/NAME.json (ids, logits, greedy)
Written with torch 2.15 and transformers 5.23. Weights are rounded to F16, which the files hold, before the logits are computed.
deepseek is computed here from its paper (DeepSeekMoE, arXiv 2401.06066, section 3): transformers has no class for it.
"""

import json
import pathlib
import sys

import torch
from safetensors.torch import save_file
from transformers import DeepseekV2Config, DeepseekV2ForCausalLM, DeepseekV3Config, DeepseekV3ForCausalLM

COMMON = dict(vocab_size=64, hidden_size=32, intermediate_size=48, moe_intermediate_size=24, num_hidden_layers=3,
              num_attention_heads=4, num_key_value_heads=4, n_routed_experts=8, num_experts_per_tok=3, first_k_dense_replace=1,
              max_position_embeddings=64, bos_token_id=1, eos_token_id=2, pad_token_id=0, tie_word_embeddings=False)
LATENT = dict(COMMON, kv_lora_rank=32, qk_nope_head_dim=16, qk_rope_head_dim=8, v_head_dim=12)
YARN = dict(rope_type="yarn", rope_theta=1e4, factor=4.0, original_max_position_embeddings=16, beta_fast=32, beta_slow=1)
# Groups by their best expert, factored queries, stretched positions; the small one without all of these, of heads that 16 does not
# divide.
V2 = dict(LATENT, q_lora_rank=24, topk_method="group_limited_greedy", n_group=4, topk_group=2, n_shared_experts=2,
          routed_scaling_factor=1.5, norm_topk_prob=False, rope_parameters=dict(YARN, mscale=0.707, mscale_all_dim=0.707))
V2_LITE = dict(LATENT, q_lora_rank=None, hidden_size=40, num_attention_heads=20, num_key_value_heads=20, kv_lora_rank=16,
               qk_nope_head_dim=8, qk_rope_head_dim=4, v_head_dim=6, num_hidden_layers=2, n_shared_experts=2,
               topk_method="greedy", routed_scaling_factor=1.0, norm_topk_prob=False,
               rope_parameters=dict(rope_type="default", rope_theta=1e4))
# Sigmoids with a bias, groups by their two best experts, weights normalised and scaled.
V3 = dict(LATENT, q_lora_rank=24, n_group=4, topk_group=2, n_shared_experts=1, routed_scaling_factor=2.5, norm_topk_prob=True,
          rope_parameters=dict(YARN, mscale=1.0, mscale_all_dim=1.0))
MODELS = {
    "deepseek2": (DeepseekV2ForCausalLM, DeepseekV2Config, V2),
    "deepseek2_lite": (DeepseekV2ForCausalLM, DeepseekV2Config, V2_LITE),
    "deepseek3": (DeepseekV3ForCausalLM, DeepseekV3Config, V3),
}
V1 = dict(COMMON, num_key_value_heads=2, n_shared_experts=2, norm_topk_prob=False, scoring_func="softmax",
          moe_layer_freq=1, hidden_act="silu", rms_norm_eps=1e-6, rope_theta=1e4, rope_scaling=None, attention_bias=False,
          model_type="deepseek", architectures=["DeepseekForCausalLM"])
N_IDS, N_GREEDY = 29, 32


def randomise(key, weight):
    spread = 0.3 if weight.dim() == 1 else 1.5 / weight.shape[-1] ** 0.5
    return (torch.randn(weight.shape, dtype=torch.float64) * spread + (1.0 if "norm" in key else 0.0)).half().double()


def finish(folder, name, logits_of):
    ids = torch.randint(3, COMMON["vocab_size"], (N_IDS,)).tolist()
    logits, text = logits_of(ids), list(ids)
    for _ in range(N_GREEDY):
        best = logits_of(text)[-1]
        top = best.topk(2).values
        assert top[0] - top[1] > 1e-4, "two ids are as good as each other: take another seed"
        text.append(int(best.argmax()))
    rounded = [float(f"{value:.9g}") for value in logits.flatten().tolist()]
    (folder / f"{name}.json").write_text(json.dumps({"ids": ids, "logits": rounded, "greedy": text[N_IDS:]}) + "\n")


def write(folder, name, kind, config):
    torch.manual_seed(sum(name.encode()))
    model = kind(config).double().eval()
    for key, weight in model.named_parameters():
        weight.data = randomise(key, weight)
    for key, weight in model.named_buffers():
        if key.endswith("e_score_correction_bias"):
            weight.data = (torch.randn_like(weight) * 0.1).half().double()

    def logits_of(ids):
        with torch.no_grad():
            return model(torch.tensor([ids])).logits[0]

    finish(folder, name, logits_of)
    model.half().save_pretrained(folder / name)
    (folder / name / "generation_config.json").unlink(missing_ok=True)


def v1_tensors():
    c, d, tensors = V1, V1["hidden_size"], {}
    head = d // c["num_attention_heads"]

    def add(key, *shape):
        tensors[key] = randomise(key, torch.empty(shape))

    def add_ffn(prefix, width):
        add(prefix + "gate_proj.weight", width, d)
        add(prefix + "up_proj.weight", width, d)
        add(prefix + "down_proj.weight", d, width)

    add("model.embed_tokens.weight", c["vocab_size"], d)
    for i in range(c["num_hidden_layers"]):
        layer = f"model.layers.{i}."
        add(layer + "input_layernorm.weight", d)
        add(layer + "self_attn.q_proj.weight", d, d)
        for which in "kv":
            add(layer + f"self_attn.{which}_proj.weight", c["num_key_value_heads"] * head, d)
        add(layer + "self_attn.o_proj.weight", d, d)
        add(layer + "post_attention_layernorm.weight", d)
        if i < c["first_k_dense_replace"]:
            add_ffn(layer + "mlp.", c["intermediate_size"])
            continue
        add(layer + "mlp.gate.weight", c["n_routed_experts"], d)
        for expert in range(c["n_routed_experts"]):
            add_ffn(layer + f"mlp.experts.{expert}.", c["moe_intermediate_size"])
        add_ffn(layer + "mlp.shared_experts.", c["moe_intermediate_size"] * c["n_shared_experts"])
    add("model.norm.weight", d)
    add("lm_head.weight", c["vocab_size"], d)
    return tensors


def v1_logits(w, ids):
    c, n, d = V1, len(ids), V1["hidden_size"]
    heads, kv_heads = c["num_attention_heads"], c["num_key_value_heads"]
    head = d // heads

    def norm(x, key):
        return x / (x.pow(2).mean(-1, keepdim=True) + c["rms_norm_eps"]).sqrt() * w[key]

    def ffn(x, prefix):
        gate = torch.nn.functional.silu(x @ w[prefix + "gate_proj.weight"].T)
        return (gate * (x @ w[prefix + "up_proj.weight"].T)) @ w[prefix + "down_proj.weight"].T

    angles = torch.outer(torch.arange(n).double(), c["rope_theta"] ** (-torch.arange(0, head, 2).double() / head))
    cos, sin = angles.cos()[:, None], angles.sin()[:, None]

    def rotate(x):
        a, b = x.chunk(2, -1)
        return torch.cat([a * cos - b * sin, b * cos + a * sin], -1)

    x = w["model.embed_tokens.weight"][ids]
    for i in range(c["num_hidden_layers"]):
        layer = f"model.layers.{i}."
        h = norm(x, layer + "input_layernorm.weight")
        q, k, v = ((h @ w[layer + f"self_attn.{which}_proj.weight"].T).view(n, -1, head) for which in "qkv")
        q, k, v = rotate(q), rotate(k).repeat_interleave(heads // kv_heads, 1), v.repeat_interleave(heads // kv_heads, 1)
        scores = torch.einsum("qhd,khd->hqk", q, k) / head ** 0.5
        scores = scores.masked_fill(torch.ones(n, n).triu(1).bool(), float("-inf")).softmax(-1)
        x = x + torch.einsum("hqk,khd->qhd", scores, v).reshape(n, d) @ w[layer + "self_attn.o_proj.weight"].T
        h = norm(x, layer + "post_attention_layernorm.weight")
        if i < c["first_k_dense_replace"]:
            x = x + ffn(h, layer + "mlp.")
            continue
        weights, chosen = (h @ w[layer + "mlp.gate.weight"].T).softmax(-1).topk(c["num_experts_per_tok"])
        routed = torch.stack([sum(weight * ffn(h[t], layer + f"mlp.experts.{expert}.")
                                  for weight, expert in zip(weights[t], chosen[t].tolist())) for t in range(n)])
        x = x + routed + ffn(h, layer + "mlp.shared_experts.")
    return norm(x, "model.norm.weight") @ w["lm_head.weight"].T


def write_v1(folder):
    torch.manual_seed(sum(b"deepseek"))
    tensors = v1_tensors()
    finish(folder, "deepseek", lambda ids: v1_logits(tensors, ids))
    (folder / "deepseek").mkdir(exist_ok=True)
    (folder / "deepseek/config.json").write_text(json.dumps(V1, indent=2) + "\n")
    save_file({key: weight.half() for key, weight in tensors.items()}, folder / "deepseek/model.safetensors", {"format": "pt"})


if __name__ == "__main__":
    out = pathlib.Path(sys.argv[1])
    for model_name, (model_kind, config_kind, settings) in MODELS.items():
        write(out, model_name, model_kind, config_kind(**settings, attn_implementation="eager", experts_implementation="eager"))
    write_v1(out)
