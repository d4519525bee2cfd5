#!/usr/bin/env python3
"""Whether peft reads an adapter that Plumbline saved as Plumbline does.

Exits with 0 where peft loads ADAPTER onto BASE with no key missing or left over, merges it to the weights in MERGED
(safetensors, max|Δ| ≤ 1e-6 of the largest) and, if EXPECTED is given, gets its `logits` for the `input_ids` of BASE.

Usage: check_lora.py BASE ADAPTER MERGED [EXPECTED]      needs torch, transformers, peft, safetensors
"""
import pathlib
import sys
import warnings

import torch
from peft import PeftModel
from safetensors.torch import load_file
from transformers import AutoModelForCausalLM


def close(name, found, expected, tolerance):
    error = ((found - expected).abs().max() / expected.abs().max()).item()
    if not error <= tolerance:
        sys.exit(f"{name}: max|Δ| / max is {error:.2e}, above {tolerance:.0e}")


def main(base, adapter, merged, expected=None):
    torch.set_num_threads(1)
    plain = AutoModelForCausalLM.from_pretrained(base, attn_implementation="eager").float()
    with warnings.catch_warnings(record=True) as told:
        warnings.simplefilter("always")
        model = PeftModel.from_pretrained(plain, adapter)
    keys = [str(w.message) for w in told if "keys" in str(w.message) or "keyword" in str(w.message)]
    if keys:
        sys.exit(f"peft says: {keys}")
    if expected:
        data = load_file(pathlib.Path(base) / "expected.safetensors")
        ids, lengths = data["input_ids"], data["lengths"]
        mask = (torch.arange(ids.shape[1])[None] < lengths[:, None]).long()
        with torch.no_grad():
            logits = model(input_ids=ids, attention_mask=mask).logits.float()
        close("logits", logits, load_file(expected)["logits"], 1e-6)
    weights = dict(model.merge_and_unload().named_parameters())
    merged = load_file(merged)
    if not merged:
        sys.exit("no merged weights to compare")
    for name, value in merged.items():
        close(name, weights[name].detach(), value, 1e-6)
    print(f"{len(merged)} merged weights agree{' and the logits' if expected else ''}")


if __name__ == "__main__":
    main(*sys.argv[1:])
