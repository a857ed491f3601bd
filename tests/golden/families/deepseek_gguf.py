"""A folder that deepseek.py wrote as the GGUF file that llama.cpp's converter would make of it, for families_test.cpp.

Usage: deepseek_gguf.py FOLDER OUT.gguf [--whole]    --whole: kv_b is one matrix, as older files keep it
Written with gguf-py.
"""

import json
import pathlib
import sys

import gguf
import numpy as np
from safetensors.numpy import load_file


def describe(out, c, whole):
    out.add_block_count(c["num_hidden_layers"])
    out.add_context_length(c["max_position_embeddings"])
    out.add_embedding_length(c["hidden_size"])
    out.add_feed_forward_length(c["intermediate_size"])
    out.add_head_count(c["num_attention_heads"])
    out.add_layer_norm_rms_eps(c["rms_norm_eps"])
    out.add_vocab_size(c["vocab_size"])
    out.add_leading_dense_block_count(c["first_k_dense_replace"])
    out.add_expert_count(c["n_routed_experts"])
    out.add_expert_used_count(c["num_experts_per_tok"])
    out.add_expert_shared_count(c["n_shared_experts"])
    out.add_expert_feed_forward_length(c["moe_intermediate_size"])
    if c["model_type"] == "deepseek":
        out.add_head_count_kv(c["num_key_value_heads"])
        out.add_rope_dimension_count(c["hidden_size"] // c["num_attention_heads"])
        out.add_rope_freq_base(c["rope_theta"])
        out.add_expert_weights_scale(1.0)
        return
    rope, latent, rotated = c["rope_parameters"], c["kv_lora_rank"], c["qk_rope_head_dim"]
    keys, values = c["qk_nope_head_dim"] + rotated, c["v_head_dim"]
    out.add_kv_lora_rank(latent)
    if c["q_lora_rank"]:
        out.add_q_lora_rank(c["q_lora_rank"])
    if whole:
        out.add_head_count_kv(c["num_attention_heads"])
        out.add_key_length(keys)
        out.add_value_length(values)
    else:
        out.add_head_count_kv(1)
        out.add_key_length(latent + rotated)
        out.add_value_length(latent)
        out.add_key_length_mla(keys)
        out.add_value_length_mla(values)
    v3 = c["model_type"] == "deepseek_v3"
    out.add_expert_weights_scale(c["routed_scaling_factor"])
    out.add_expert_weights_norm(c["norm_topk_prob"])
    if v3:  # older files of V2 do not say
        out.add_expert_gating_func(gguf.ExpertGatingFuncType.SIGMOID)
    if v3 or c["topk_method"] == "group_limited_greedy":
        out.add_expert_group_count(c["n_group"])
        out.add_expert_group_used_count(c["topk_group"])
    out.add_rope_freq_base(rope["rope_theta"])
    out.add_rope_dimension_count(rotated)
    if rope["rope_type"] == "yarn":
        out.add_rope_scaling_type(gguf.RopeScalingType.YARN)
        out.add_rope_scaling_factor(rope["factor"])
        out.add_rope_scaling_orig_ctx_len(rope["original_max_position_embeddings"])
        out.add_rope_scaling_yarn_beta_fast(float(rope["beta_fast"]))
        out.add_rope_scaling_yarn_beta_slow(float(rope["beta_slow"]))
        out.add_rope_scaling_yarn_log_mul(0.1 * rope["mscale_all_dim"])


def interleaved(rows, heads):
    return rows.reshape(heads, 2, rows.shape[0] // heads // 2, -1).swapaxes(1, 2).reshape(rows.shape)


def add_attention(add, c, w, theirs, ours, whole):
    theirs, heads = theirs + "self_attn.", c["num_attention_heads"]
    add(ours + "attn_output.weight", w[theirs + "o_proj.weight"])
    if c["model_type"] == "deepseek":
        add(ours + "attn_q.weight", interleaved(w[theirs + "q_proj.weight"], heads))
        add(ours + "attn_k.weight", interleaved(w[theirs + "k_proj.weight"], c["num_key_value_heads"]))
        add(ours + "attn_v.weight", w[theirs + "v_proj.weight"])
        return
    for a, b in {"attn_q": "q_proj", "attn_q_a": "q_a_proj", "attn_q_a_norm": "q_a_layernorm", "attn_q_b": "q_b_proj",
                 "attn_kv_a_mqa": "kv_a_proj_with_mqa", "attn_kv_a_norm": "kv_a_layernorm"}.items():
        if f"{theirs}{b}.weight" in w:
            add(f"{ours}{a}.weight", w[f"{theirs}{b}.weight"])
    kv_b, keys = w[theirs + "kv_b_proj.weight"], c["qk_nope_head_dim"]
    if whole:
        add(ours + "attn_kv_b.weight", kv_b)
        return
    kv_b = kv_b.reshape(heads, -1, kv_b.shape[1])
    add(ours + "attn_k_b.weight", kv_b[:, :keys].swapaxes(1, 2))
    add(ours + "attn_v_b.weight", kv_b[:, keys:])


def add_ffn(add, c, w, theirs, ours, is_dense):
    theirs += "mlp."
    if not is_dense:
        add(ours + "ffn_gate_inp.weight", w[theirs + "gate.weight"])
        if theirs + "gate.e_score_correction_bias" in w:
            add(ours + "exp_probs_b.bias", w[theirs + "gate.e_score_correction_bias"])
    for part in ("gate", "up", "down"):
        if is_dense:
            add(f"{ours}ffn_{part}.weight", w[f"{theirs}{part}_proj.weight"])
            continue
        experts = [w[f"{theirs}experts.{expert}.{part}_proj.weight"] for expert in range(c["n_routed_experts"])]
        add(f"{ours}ffn_{part}_exps.weight", np.stack(experts))
        add(f"{ours}ffn_{part}_shexp.weight", w[f"{theirs}shared_experts.{part}_proj.weight"])


def main(folder, path, whole):
    c = json.loads((folder / "config.json").read_text())
    w = load_file(folder / "model.safetensors")
    out = gguf.GGUFWriter(path, "deepseek" if c["model_type"] == "deepseek" else "deepseek2")
    describe(out, c, whole)

    def add(name, value):
        plain = value.ndim == 1 or "gate_inp" in name
        out.add_tensor(name, np.ascontiguousarray(value.astype(np.float32) if plain else value))

    add("token_embd.weight", w["model.embed_tokens.weight"])
    add("output_norm.weight", w["model.norm.weight"])
    add("output.weight", w["lm_head.weight"])
    for layer in range(c["num_hidden_layers"]):
        theirs, ours = f"model.layers.{layer}.", f"blk.{layer}."
        add(ours + "attn_norm.weight", w[theirs + "input_layernorm.weight"])
        add(ours + "ffn_norm.weight", w[theirs + "post_attention_layernorm.weight"])
        add_attention(add, c, w, theirs, ours, whole)
        add_ffn(add, c, w, theirs, ours, layer < c["first_k_dense_replace"])
    out.write_header_to_file()
    out.write_kv_data_to_file()
    out.write_tensors_to_file()
    out.close()


if __name__ == "__main__":
    main(pathlib.Path(sys.argv[1]), sys.argv[2], "--whole" in sys.argv)
