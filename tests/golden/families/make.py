"""Tiny random models of the families qwen2 and gemma3 with Hugging Face transformers' float64 logits, for parity_test.cpp.

Usage: make.py FOLDER    writes FOLDER/NAME/{config.json, model.safetensors} and FOLDER/NAME.json (ids, logits)
Written with torch 2.15 and transformers 5.23. Weights are rounded to F16, which the files hold, before the logits are computed.
"""

import json
import pathlib
import sys

import torch
from transformers import Gemma3ForCausalLM, Gemma3TextConfig, Qwen2Config, Qwen2ForCausalLM

COMMON = dict(vocab_size=64, hidden_size=32, intermediate_size=48, num_attention_heads=4, max_position_embeddings=64,
              bos_token_id=1, eos_token_id=2, pad_token_id=0)
QWEN2 = dict(COMMON, num_hidden_layers=2, num_key_value_heads=2, rope_theta=1e6, use_sliding_window=False, layer_types=None)
# Windows of 8 positions on two of three layers; a scale of attention that is not that of the head size.
GEMMA3 = dict(COMMON, num_hidden_layers=3, num_key_value_heads=1, head_dim=16, sliding_window=8, query_pre_attn_scalar=24,
              layer_types=["sliding_attention", "sliding_attention", "full_attention"],
              rope_parameters={"full_attention": {"rope_type": "default", "rope_theta": 1e6},
                               "sliding_attention": {"rope_type": "default", "rope_theta": 1e4}})
MODELS = {
    "qwen2": (Qwen2ForCausalLM, Qwen2Config, dict(QWEN2, tie_word_embeddings=False)),
    "qwen2_tied": (Qwen2ForCausalLM, Qwen2Config, dict(QWEN2, tie_word_embeddings=True)),
    "gemma3": (Gemma3ForCausalLM, Gemma3TextConfig, GEMMA3),
}
N_IDS = 29


def write(folder, name, kind, config):
    torch.manual_seed(sum(name.encode()))
    model = kind(config).double().eval()
    for key, weight in model.named_parameters():
        spread = 0.3 if weight.dim() == 1 else 1.5 / weight.shape[-1] ** 0.5
        offset = 1.0 if "norm" in key and "gemma3" not in name else 0.0  # Gemma's norms are 1 + w
        weight.data = (torch.randn_like(weight) * spread + offset).half().double()
    model.tie_weights()
    ids = torch.randint(3, config.vocab_size, (1, N_IDS))
    with torch.no_grad():
        logits = model(ids).logits[0]
    model.half().save_pretrained(folder / name)
    (folder / name / "generation_config.json").unlink(missing_ok=True)
    rounded = [float(f"{value:.9g}") for value in logits.flatten().tolist()]
    (folder / f"{name}.json").write_text(json.dumps({"ids": ids[0].tolist(), "logits": rounded}) + "\n")


if __name__ == "__main__":
    out = pathlib.Path(sys.argv[1])
    for model_name, (model_kind, config_kind, settings) in MODELS.items():
        write(out, model_name, model_kind, config_kind(**settings, attn_implementation="eager"))
