"""The two model shapes of the bench, and the checkpoints made from them once."""

import json
from dataclasses import dataclass
from pathlib import Path

# One prompt of this length is continued by NEW_TOKENS tokens in the decode measurements.
PROMPT_TOKENS = 32
NEW_TOKENS = 96
DECODE_ROWS = 16

# Which linear layers carry LoRA adapters, by the measurement that trains them.
ADAPTERS = {
    "lora": ["q_proj", "v_proj"],
    "lora-all": ["q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj"],
}


@dataclass(frozen=True)
class Shape:
    """A Llama decoder's sizes in the names of `config.json`, and the batch it is trained with."""

    vocab_size: int
    hidden_size: int
    intermediate_size: int
    num_hidden_layers: int
    num_attention_heads: int
    num_key_value_heads: int
    rope_theta: float
    rows: int
    row_tokens: int

    @property
    def batch_tokens(self) -> int:
        """Tokens of one training step."""
        return self.rows * self.row_tokens

    def products(self) -> list[tuple[int, int, int]]:
        """Matrix products y = x·Wᵀ of one forward pass: (rows of W, columns of W, how often)."""
        hidden, layers = self.hidden_size, self.num_hidden_layers
        key_value = hidden // self.num_attention_heads * self.num_key_value_heads
        counts: dict[tuple[int, int], int] = {}
        for n, k, times in [
            (hidden, hidden, 2 * layers),  # q, o
            (key_value, hidden, 2 * layers),  # k, v
            (self.intermediate_size, hidden, 2 * layers),  # gate, up
            (hidden, self.intermediate_size, layers),  # down
            (self.vocab_size, hidden, 1),  # output layer
        ]:
            counts[n, k] = counts.get((n, k), 0) + times
        return [(n, k, times) for (n, k), times in counts.items()]

    def weight_bytes(self) -> int:
        """Bytes of the matrices in f32: what decoding reads for each token, since the embedding is the output layer."""
        return 4 * sum(n * k * times for n, k, times in self.products())


SHAPES = {
    # The shape of the demo pair.
    "demo": Shape(1984, 128, 352, 4, 4, 4, 10_000.0, rows=16, row_tokens=128),
    # The shape of SmolLM2-135M.
    "135m": Shape(49152, 576, 1536, 30, 9, 3, 100_000.0, rows=4, row_tokens=256),
}


def make_checkpoint(name: str, folder: Path) -> None:
    """Writes random weights, adapters and token ids for a shape, unless they are there.

    `tokens.json` is written last, so that a folder that has it is whole.
    """
    tokens_file = folder / "tokens.json"
    if tokens_file.is_file():
        return
    import torch
    from peft import LoraConfig, get_peft_model
    from transformers import LlamaConfig, LlamaForCausalLM

    shape = SHAPES[name]
    torch.manual_seed(0)
    config = LlamaConfig(
        vocab_size=shape.vocab_size,
        hidden_size=shape.hidden_size,
        intermediate_size=shape.intermediate_size,
        num_hidden_layers=shape.num_hidden_layers,
        num_attention_heads=shape.num_attention_heads,
        num_key_value_heads=shape.num_key_value_heads,
        rope_parameters={"rope_type": "default", "rope_theta": shape.rope_theta},
        max_position_embeddings=2048,
        tie_word_embeddings=True,
        # At transformers' own 0.02 a narrow random model says one token for ever, and equal answers would prove little.
        initializer_range=shape.hidden_size**-0.5,
        # No end token: every row runs to its full length.
        bos_token_id=None,
        eos_token_id=None,
    )
    model = LlamaForCausalLM(config).float()
    model.save_pretrained(folder)
    for adapter, targets in ADAPTERS.items():
        lora = LoraConfig(r=8, lora_alpha=16, lora_dropout=0.0, target_modules=targets, task_type="CAUSAL_LM")
        with_adapter = get_peft_model(model, lora)
        # B starts at zero, which would hide A from the first loss.
        for parameter_name, parameter in with_adapter.named_parameters():
            if "lora_B" in parameter_name:
                torch.nn.init.normal_(parameter, std=0.02)
        with_adapter.save_pretrained(folder / adapter)
        model = with_adapter.unload()
    batch = torch.randint(0, shape.vocab_size, (shape.rows, shape.row_tokens))
    prompts = torch.randint(0, shape.vocab_size, (DECODE_ROWS, PROMPT_TOKENS))
    partial = tokens_file.with_suffix(".partial")
    partial.write_text(json.dumps({"batch": batch.tolist(), "prompts": prompts.tolist()}))
    partial.rename(tokens_file)
