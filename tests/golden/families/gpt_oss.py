"""A tiny random gpt-oss with Hugging Face transformers' float64 logits and 32 greedy ids, for families_test.cpp.

Usage: gpt_oss.py FOLDER    writes FOLDER/gpt_oss.gguf, the same as a folder FOLDER/gpt_oss, and FOLDER/gpt_oss.json (ids, logits,
                            greedy); FOLDER/gpt_oss_mxfp4 with its .json is the model with its experts rounded to MXFP4
Written with torch 2.15, transformers 5.23 and gguf-py. Matrices are rounded to F16, which the file holds, before the logits are
computed. GGUF keeps gate and up apart, which Hugging Face interleaves, and experts as [rows, cols].
"""

import json
import pathlib
import sys

import gguf
import numpy as np
import torch
from safetensors.torch import save_file
from transformers import GptOssConfig, GptOssForCausalLM

LAYERS, D, HEADS, KV_HEADS, HEAD, FF, EXPERTS, TOP_K, VOCAB, WINDOW, CONTEXT, OLD_CONTEXT = 3, 32, 4, 2, 16, 32, 8, 3, 64, 8, 64, 16
N_IDS, N_GREEDY = 29, 32


def make():
    torch.manual_seed(sum(b"gpt_oss"))
    rope = dict(rope_type="yarn", rope_theta=150000.0, factor=4.0, beta_fast=32.0, beta_slow=1.0, truncate=False,
                original_max_position_embeddings=OLD_CONTEXT)
    config = GptOssConfig(hidden_size=D, intermediate_size=FF, num_hidden_layers=LAYERS, num_attention_heads=HEADS,
                          num_key_value_heads=KV_HEADS, head_dim=HEAD, num_local_experts=EXPERTS, num_experts_per_tok=TOP_K,
                          vocab_size=VOCAB, sliding_window=WINDOW, max_position_embeddings=CONTEXT, rope_parameters=rope,
                          pad_token_id=0, bos_token_id=1, eos_token_id=2, attn_implementation="eager",
                          experts_implementation="eager")
    model = GptOssForCausalLM(config).double().eval()
    for key, weight in model.named_parameters():
        small = weight.dim() == 1 or key.endswith("_bias")
        spread = 0.3 if small else 1.5 / weight.shape[-2 if "experts" in key else -1] ** 0.5
        if key.endswith("sinks"):
            spread = 2.0
        weight.data = (torch.randn_like(weight) * spread + (1.0 if "norm" in key else 0.0)).half().double()
    return model


def write_model(path, w):
    out = gguf.GGUFWriter(path, "gpt-oss")
    out.add_block_count(LAYERS)
    out.add_context_length(CONTEXT)
    out.add_embedding_length(D)
    out.add_feed_forward_length(FF)
    out.add_expert_feed_forward_length(FF)
    out.add_head_count(HEADS)
    out.add_head_count_kv(KV_HEADS)
    out.add_key_length(HEAD)
    out.add_value_length(HEAD)
    out.add_layer_norm_rms_eps(1e-5)
    out.add_sliding_window(WINDOW)
    out.add_expert_count(EXPERTS)
    out.add_expert_used_count(TOP_K)
    out.add_rope_freq_base(150000.0)
    out.add_rope_dimension_count(HEAD)
    out.add_rope_scaling_type(gguf.RopeScalingType.YARN)
    out.add_rope_scaling_factor(4.0)
    out.add_rope_scaling_orig_ctx_len(OLD_CONTEXT)

    def add(name, value):
        one_dimension = value.dim() == 1 or name.endswith(".bias") or "gate_inp" in name
        out.add_tensor(name, np.ascontiguousarray(value.numpy().astype(np.float32 if one_dimension else np.float16)))

    add("token_embd.weight", w["model.embed_tokens.weight"])
    add("output_norm.weight", w["model.norm.weight"])
    add("output.weight", w["lm_head.weight"])
    for layer in range(LAYERS):
        ours, theirs = f"blk.{layer}.", f"model.layers.{layer}."
        add(ours + "attn_norm.weight", w[theirs + "input_layernorm.weight"])
        add(ours + "post_attention_norm.weight", w[theirs + "post_attention_layernorm.weight"])
        add(ours + "attn_sinks.weight", w[theirs + "self_attn.sinks"])
        for a, b in {"attn_q": "q_proj", "attn_k": "k_proj", "attn_v": "v_proj", "attn_output": "o_proj"}.items():
            add(f"{ours}{a}.weight", w[f"{theirs}self_attn.{b}.weight"])
            add(f"{ours}{a}.bias", w[f"{theirs}self_attn.{b}.bias"])
        add(ours + "ffn_gate_inp.weight", w[theirs + "mlp.router.weight"])
        add(ours + "ffn_gate_inp.bias", w[theirs + "mlp.router.bias"])
        experts = theirs + "mlp.experts."
        for offset, part in enumerate(("gate", "up")):
            add(f"{ours}ffn_{part}_exps.weight", w[experts + "gate_up_proj"][..., offset::2].transpose(1, 2))
            add(f"{ours}ffn_{part}_exps.bias", w[experts + "gate_up_proj_bias"][..., offset::2])
        add(ours + "ffn_down_exps.weight", w[experts + "down_proj"].transpose(1, 2))
        add(ours + "ffn_down_exps.bias", w[experts + "down_proj_bias"])
    out.write_header_to_file()
    out.write_kv_data_to_file()
    out.write_tensors_to_file()
    out.close()


def write_folder(folder, config, tensors):
    folder.mkdir(exist_ok=True)
    (folder / "config.json").write_text(json.dumps(config, indent=2) + "\n")
    save_file({key: value.contiguous() for key, value in tensors.items()}, folder / "model.safetensors", {"format": "pt"})


# [experts, cols, rows] as the checkpoints of openai/gpt-oss keep them: [experts, rows, blocks, 16] bytes of two neighbours, and an
# exponent per block; and what these are.
def to_mxfp4(weight):
    levels = torch.tensor([0, 0.5, 1, 1.5, 2, 3, 4, 6], dtype=torch.float64)
    levels = torch.cat([levels, -levels])
    rows = weight.transpose(1, 2)
    blocks = rows.reshape(*rows.shape[:2], -1, 32)
    exponent = blocks.abs().amax(-1).log2().floor() - 2
    scale = torch.exp2(exponent)[..., None]
    codes = (blocks[..., None] / scale[..., None] - levels).abs().argmin(-1)
    packed = (codes[..., 0::2] | codes[..., 1::2] << 4).to(torch.uint8)
    rounded = (levels[codes] * scale).reshape(rows.shape).transpose(1, 2)
    return packed, (exponent + 127).to(torch.uint8), rounded


def round_experts(model):
    packed = {}
    for key, weight in model.named_parameters():
        if key.endswith(("gate_up_proj", "down_proj")):
            packed[key + "_blocks"], packed[key + "_scales"], weight.data = to_mxfp4(weight.data)
    return packed


def write_reference(path, model, ids):
    def logits_of(ids):
        with torch.no_grad():
            return model(torch.tensor([ids])).logits[0]

    text = list(ids)
    for _ in range(N_GREEDY):
        best = logits_of(text)[-1]
        top = best.topk(2).values
        assert top[0] - top[1] > 1e-4, "two ids are as good as each other: take another seed"
        text.append(int(best.argmax()))
    rounded = [float(f"{value:.9g}") for value in logits_of(ids).flatten().tolist()]
    path.write_text(json.dumps({"ids": ids, "logits": rounded, "greedy": text[N_IDS:]}) + "\n")


if __name__ == "__main__":
    out = pathlib.Path(sys.argv[1])
    gpt_oss = make()
    first_ids = torch.randint(3, VOCAB, (N_IDS,)).tolist()
    write_model(out / "gpt_oss.gguf", gpt_oss.state_dict())
    write_reference(out / "gpt_oss.json", gpt_oss, first_ids)
    settings = gpt_oss.config.to_dict() | {"architectures": ["GptOssForCausalLM"]}
    write_folder(out / "gpt_oss", settings, {key: value.half() for key, value in gpt_oss.state_dict().items()})
    experts = round_experts(gpt_oss)
    write_reference(out / "gpt_oss_mxfp4.json", gpt_oss, first_ids)
    rest = {key: value.half() for key, value in gpt_oss.state_dict().items() if key + "_blocks" not in experts}
    settings["quantization_config"] = {"quant_method": "mxfp4", "modules_to_not_convert": ["model.layers.*.self_attn",
                                       "model.layers.*.mlp.router", "model.embed_tokens", "lm_head"]}
    write_folder(out / "gpt_oss_mxfp4", settings, rest | experts)
