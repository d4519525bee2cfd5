#!/usr/bin/env python3
"""Which modules PEFT adapts, with which rank and scale, under adapter_config.json files with patterns of every kind.

lora_patterns.json
    models  name → {path of a linear layer: [out, in]}          tiny models with random weights, 12 and 2 layers
    cases   [{name, model, config, modules}]                     config as the file said it, in its order;
            modules: {path: [rank, scale]}, or null where PEFT refuses the settings or finds nothing to adapt

Usage: make_lora_patterns.py      needs torch, transformers, peft
"""
import json
import pathlib
import tempfile

import torch
from peft import LoraConfig, get_peft_model
from peft.tuners.lora import LoraLayer
from transformers import LlamaConfig, LlamaForCausalLM, Phi3Config, Phi3ForCausalLM

HERE = pathlib.Path(__file__).parent
SMALL = dict(vocab_size=32, hidden_size=16, intermediate_size=24, num_attention_heads=4, num_key_value_heads=2,
             pad_token_id=0, bos_token_id=1, eos_token_id=2)
MODELS = {
    "llama": lambda: LlamaForCausalLM(LlamaConfig(num_hidden_layers=12, **SMALL)),
    "phi-3": lambda: Phi3ForCausalLM(Phi3Config(num_hidden_layers=2, tie_word_embeddings=False, **SMALL)),
}

QV = ["q_proj", "v_proj"]
CASES = [
    ("names", "llama", dict(target_modules=QV, r=4, lora_alpha=8)),
    ("defaults of r and alpha", "llama", dict(target_modules=QV)),
    ("a name must follow a dot", "llama", dict(target_modules=["proj", "_proj", "q_proj"])),
    ("a longer end of the path", "llama", dict(target_modules=["self_attn.k_proj", "1.mlp.up_proj"])),
    ("a whole path", "llama", dict(target_modules=["model.layers.3.mlp.up_proj"])),
    ("nothing matches", "llama", dict(target_modules=["query_key_value"])),
    ("an empty list", "llama", dict(target_modules=[])),
    ("all-linear", "llama", dict(target_modules="all-linear", r=2)),
    ("ALL-LINEAR in capitals", "llama", dict(target_modules="All-Linear", r=2)),
    ("all-linear with exclusion", "llama", dict(target_modules="all-linear", exclude_modules=["down_proj", "o_proj"])),
    ("all-linear with excluded regex", "llama", dict(target_modules="all-linear", exclude_modules=r".*\.mlp\..*")),
    ("all-linear with layers", "llama", dict(target_modules="all-linear", layers_to_transform=[1])),
    ("regex", "llama", dict(target_modules=r".*\.(q|v)_proj")),
    ("regex of the whole path", "llama", dict(target_modules=r"q_proj")),
    ("regex with alternatives at the top", "llama", dict(target_modules=r"model\.layers\.1\.mlp\.up|.*\.layers\.1\.mlp\.up_proj")),
    ("regex that looks ahead", "llama", dict(target_modules=r"model\.layers\.(?!1)\d+\.self_attn\.q_proj")),
    ("regex with flag and back reference", "llama", dict(target_modules=r"(?i)MODEL\.layers\.(\d)\1\.mlp\.up_proj")),
    ("regex of layers", "llama", dict(target_modules=r"model\.layers\.(0|1[01])\.mlp\.(gate|up)_proj")),
    ("excluded names", "llama", dict(target_modules=QV, exclude_modules=["layers.1.self_attn.q_proj", "v_proj"])),
    ("excluded regex", "llama", dict(target_modules=QV, exclude_modules=r"model\.layers\.\d\..*")),
    ("excluded empty", "llama", dict(target_modules=QV, exclude_modules=[])),
    ("everything excluded", "llama", dict(target_modules=["q_proj"], exclude_modules=["q_proj"])),
    ("layers by number", "llama", dict(target_modules=QV, layers_to_transform=[0, 11])),
    ("one layer, not in a list", "llama", dict(target_modules=QV, layers_to_transform=1)),
    ("an empty list of layers", "llama", dict(target_modules=QV, layers_to_transform=[])),
    ("layers with a pattern", "llama", dict(target_modules=QV, layers_to_transform=[1], layers_pattern="layers")),
    ("layers with patterns", "llama", dict(target_modules=QV, layers_to_transform=[1], layers_pattern=["h", "layer.*"])),
    ("layers with another pattern", "llama", dict(target_modules=QV, layers_to_transform=[1], layers_pattern=["h"])),
    ("layers with an empty pattern", "llama", dict(target_modules=QV, layers_to_transform=[1], layers_pattern="")),
    ("a whole path is taken whatever its layer", "llama",
     dict(target_modules=["model.layers.2.mlp.up_proj", "q_proj"], layers_to_transform=[0])),
    ("a pattern without layers", "llama", dict(target_modules=QV, layers_pattern=["layers"])),
    ("layers with a regex", "llama", dict(target_modules=r".*q_proj", layers_to_transform=[1])),
    ("ranks by name", "llama", dict(target_modules=QV, r=4, lora_alpha=8, rank_pattern={"v_proj": 2})),
    ("ranks by regex", "llama", dict(target_modules=QV, r=4, rank_pattern={r"layers\.\d\.self_attn\.[qv]_proj": 3})),
    ("ranks from the start", "llama", dict(target_modules=QV, r=4, rank_pattern={r"^model.layers.1.self_attn.q_proj": 16})),
    ("a start that is none", "llama", dict(target_modules=QV, r=4, rank_pattern={r"^layers.1.self_attn.q_proj": 16})),
    ("a rank must follow a dot", "llama", dict(target_modules=QV, r=4, rank_pattern={"proj": 16, "_proj": 5, "1.self_attn.v_proj": 6})),
    ("alternatives in a rank", "llama", dict(target_modules=QV, r=4, rank_pattern={"q_proj|0.self_attn.v_proj": 6})),
    ("the first rank counts, general first", "llama",
     dict(target_modules=QV, r=4, rank_pattern={"q_proj": 2, "layers.0.self_attn.q_proj": 8})),
    ("the first rank counts, special first", "llama",
     dict(target_modules=QV, r=4, rank_pattern={"layers.0.self_attn.q_proj": 8, "q_proj": 2})),
    ("ranks and alphas", "llama", dict(target_modules=QV, r=4, lora_alpha=8, rank_pattern={"v_proj": 2},
                                       alpha_pattern={"q_proj": 32, r"layers\.1\..*": 5})),
    ("rank stabilised", "llama", dict(target_modules=QV, r=4, lora_alpha=8, use_rslora=True)),
    ("rank stabilised with patterns", "llama",
     dict(target_modules=QV, r=4, lora_alpha=8, use_rslora=True, rank_pattern={"v_proj": 3}, alpha_pattern={"q_proj": 1.5})),
    ("alpha with a fraction", "llama", dict(target_modules=QV, r=3, lora_alpha=0.5)),
    ("alpha 0", "llama", dict(target_modules=QV, r=3, lora_alpha=0)),
    ("rank 0", "llama", dict(target_modules=QV, r=0)),
    ("rank 0 by pattern", "llama", dict(target_modules=QV, rank_pattern={"v_proj": 0})),
    ("dropout", "llama", dict(target_modules=QV, lora_dropout=0.25)),
    ("fused projections", "phi-3", dict(target_modules=["qkv_proj", "gate_up_proj"], r=4)),
    ("fused projections, all-linear", "phi-3", dict(target_modules="all-linear", rank_pattern={"qkv_proj": 2})),
    ("names of the unfused", "phi-3", dict(target_modules=["q_proj", "k_proj", "v_proj"])),
    ("names of both", "phi-3", dict(target_modules=["q_proj", "qkv_proj", "o_proj"])),
]


def modules(model, config):
    file = dict(peft_type="LORA", task_type="CAUSAL_LM", **config)
    with tempfile.TemporaryDirectory() as folder:
        (pathlib.Path(folder) / "adapter_config.json").write_text(json.dumps(file))
        try:
            adapted = get_peft_model(MODELS[model](), LoraConfig.from_pretrained(folder))
        except ValueError as e:
            print(f"  refused: {str(e)[:100]}")
            return None
    found = {name.removeprefix("base_model.model."): [m.r["default"], m.scaling["default"]]
             for name, m in adapted.named_modules() if isinstance(m, LoraLayer)}
    return found or None


def main():
    torch.manual_seed(0)
    linears = {name: {path: list(m.weight.shape) for path, m in make().named_modules()
                      if isinstance(m, torch.nn.Linear) and path != "lm_head"} for name, make in MODELS.items()}
    cases = []
    for name, model, config in CASES:
        print(name)
        cases.append(dict(name=name, model=model, config=config, modules=modules(model, config)))
    lines = ",\n".join("  " + json.dumps(case) for case in cases)
    (HERE / "lora_patterns.json").write_text(f'{{"models": {json.dumps(linears)},\n"cases": [\n{lines}\n]}}\n')


if __name__ == "__main__":
    main()
