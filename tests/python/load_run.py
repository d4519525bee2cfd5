"""Opens what a run of Plumbline made with transformers, or peft where it is an adapter, and prints logits as JSON.

    python load_run.py MODEL_FOLDER ID,ID,…
"""

import json
import os
import sys

import torch
from transformers import AutoModelForCausalLM, AutoTokenizer

folder, ids = sys.argv[1], [int(i) for i in sys.argv[2].split(",")]
if os.path.exists(os.path.join(folder, "adapter_config.json")):
    from peft import PeftConfig, PeftModel

    base = PeftConfig.from_pretrained(folder).base_model_name_or_path
    model = PeftModel.from_pretrained(AutoModelForCausalLM.from_pretrained(base, dtype=torch.float32), folder)
    tokenizer = AutoTokenizer.from_pretrained(base)
else:
    model = AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32)
    tokenizer = AutoTokenizer.from_pretrained(folder)
with torch.no_grad():
    logits = model.eval()(torch.tensor([ids])).logits[0]
text = tokenizer.apply_chat_template(
    [{"role": "user", "content": "Say 3"}], tokenize=False, add_generation_prompt=True
)
print(json.dumps({"logits": logits.tolist(), "prompt": tokenizer.encode(text, add_special_tokens=False)}))
