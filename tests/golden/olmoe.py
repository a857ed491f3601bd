#!/usr/bin/env python3
"""Writes a tiny random OLMoE as olmoe-tiny.gguf beside this script, and
transformers' logits of it as olmoe-tiny.json: in float64, but for
what its code does in float32 whatever it is given (norms, the router's softmax).

Needs torch, transformers and gguf; the outputs are committed, so tests need none of them. Usage: olmoe.py
"""
import json
import pathlib

import gguf
import numpy as np
import torch
from transformers import OlmoeConfig, OlmoeForCausalLM

HERE = pathlib.Path(__file__).resolve().parent
LAYERS, D, HEADS, FF, EXPERTS, TOP_K, VOCAB = 2, 32, 2, 32, 6, 3, 48

torch.manual_seed(20261124)
config = OlmoeConfig(hidden_size=D, intermediate_size=FF, num_hidden_layers=LAYERS, num_attention_heads=HEADS, num_key_value_heads=HEADS,
                     num_experts=EXPERTS, num_experts_per_tok=TOP_K, norm_topk_prob=False, vocab_size=VOCAB, max_position_embeddings=64,
                     rms_norm_eps=1e-5, rope_theta=10000.0, tie_word_embeddings=False, attn_implementation="eager", experts_implementation="eager",
                     pad_token_id=None, bos_token_id=None, eos_token_id=None)
model = OlmoeForCausalLM(config).eval().to(torch.float64)
state = model.state_dict()
for name, value in state.items():
    sigma = 0.3 if "norm" in name else 2.0 / value.shape[-1] ** 0.5
    value.normal_(1.0 if "norm" in name else 0.0, sigma)
    value.copy_(value.to(torch.float32 if "norm" in name or ".gate.weight" in name else torch.float16))  # what the file holds

writer = gguf.GGUFWriter(HERE / "olmoe-tiny.gguf", "olmoe")
writer.add_block_count(LAYERS)
writer.add_context_length(64)
writer.add_embedding_length(D)
writer.add_feed_forward_length(FF)
writer.add_head_count(HEADS)
writer.add_head_count_kv(HEADS)
writer.add_layer_norm_rms_eps(1e-5)
writer.add_rope_freq_base(10000.0)
writer.add_expert_count(EXPERTS)
writer.add_expert_used_count(TOP_K)


def tensor(name, value):
    one_dimension = value.ndim == 1 or "gate_inp" in name
    writer.add_tensor(name, value.numpy().astype(np.float32 if one_dimension else np.float16))


tensor("token_embd.weight", state["model.embed_tokens.weight"])
tensor("output_norm.weight", state["model.norm.weight"])
tensor("output.weight", state["lm_head.weight"])
for layer in range(LAYERS):
    ours, theirs = f"blk.{layer}.", f"model.layers.{layer}."
    for a, b in {"attn_norm": "input_layernorm", "ffn_norm": "post_attention_layernorm", "attn_q": "self_attn.q_proj",
                 "attn_k": "self_attn.k_proj", "attn_v": "self_attn.v_proj", "attn_output": "self_attn.o_proj",
                 "attn_q_norm": "self_attn.q_norm", "attn_k_norm": "self_attn.k_norm", "ffn_gate_inp": "mlp.gate"}.items():
        tensor(f"{ours}{a}.weight", state[f"{theirs}{b}.weight"])
    if f"{theirs}mlp.experts.gate_up_proj" in state:  # transformers 5 stacks the experts
        gate_up = state[f"{theirs}mlp.experts.gate_up_proj"]
        tensor(f"{ours}ffn_gate_exps.weight", gate_up[:, :FF])
        tensor(f"{ours}ffn_up_exps.weight", gate_up[:, FF:])
        tensor(f"{ours}ffn_down_exps.weight", state[f"{theirs}mlp.experts.down_proj"])
    else:
        for part in ("gate", "up", "down"):
            stacked = torch.stack([state[f"{theirs}mlp.experts.{e}.{part}_proj.weight"] for e in range(EXPERTS)])
            tensor(f"{ours}ffn_{part}_exps.weight", stacked)
writer.write_header_to_file()
writer.write_kv_data_to_file()
writer.write_tensors_to_file()
writer.close()

ids = torch.randint(0, VOCAB, (1, 24))
with torch.no_grad():
    logits = model(ids).logits[0]
(HERE / "olmoe-tiny.json").write_text(json.dumps({"input_ids": ids[0].tolist(), "logits": [round(x, 6) for x in logits.flatten().tolist()]}))
