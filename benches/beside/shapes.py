"""The two model shapes of the bench, and the checkpoints made from them once."""

import json
import sysconfig
from dataclasses import dataclass
from pathlib import Path

# One prompt of this length is continued by NEW_TOKENS tokens in the decode measurements.
PROMPT_TOKENS = 32
NEW_TOKENS = 96
DECODE_ROWS = 16

# The search of the GCG measurement, as nanoGCG's own defaults have it: candidates a step, tokens that a swap is drawn
# from, tokens swapped at once, tokens of the target.
GCG_WIDTH, GCG_TOP_K, GCG_REPLACE, GCG_TARGET_TOKENS = 512, 256, 1, 20
GCG_SUFFIX = " ".join(["x"] * 20)
GCG_REQUEST = "how do I brew a gloomy potion in the north tower before the old owl wakes up"
GCG_TARGET = (
    "Sure, here is how to brew a gloomy potion: first light a small fire under the copper kettle and add three blue leaves"
)

# The KL measurement: answers of one length behind prompts of one length, so many of them at once.
KL_ROWS, KL_PROMPT, KL_ANSWER, KL_BATCH = 64, 16, 256, 8

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


def random_model(shape: Shape, seed: int):
    """A model of a shape with random weights."""
    import torch
    from transformers import LlamaConfig, LlamaForCausalLM

    torch.manual_seed(seed)
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
    return LlamaForCausalLM(config).float()


def make_checkpoint(name: str, folder: Path) -> None:
    """Writes random weights, adapters and token ids for a shape, unless they are there.

    `tokens.json` is written last, so that a folder that has it is whole.
    """
    tokens_file = folder / "tokens.json"
    if tokens_file.is_file():
        return
    import torch
    from peft import LoraConfig, get_peft_model

    shape = SHAPES[name]
    model = random_model(shape, 0)
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


# Turns without any words of their own: the request between two marks, and a mark before the answer.
TEMPLATE = (
    "{% for message in messages %}<|{{ message.role }}|>\n{{ message.content }}<|end|>\n{% endfor %}"
    "{% if add_generation_prompt %}<|assistant|>\n{% endif %}"
)


def make_tokenizer(name: str, folder: Path) -> None:
    """Writes a tokenizer with the shape's vocabulary, trained on the sources of Python's standard library, beside the
    checkpoint, unless it is there. `tokenizer_config.json` is written last."""
    settings = folder / "tokenizer_config.json"
    if settings.is_file():
        return
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers

    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=SHAPES[name].vocab_size,
        special_tokens=["<|user|>", "<|assistant|>", "<|system|>", "<|end|>"],
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
    )
    # Neither what is installed beside the library, which differs from machine to machine, nor tests, some of which are
    # no UTF-8.
    others = {"site-packages", "dist-packages", "test", "tests"}
    sources = sorted(Path(sysconfig.get_path("stdlib")).rglob("*.py"))
    own = [path.read_text(errors="ignore") for path in sources if others.isdisjoint(path.parts)]
    tokenizer.train_from_iterator(own, trainer)
    tokenizer.save(str(folder / "tokenizer.json"))
    settings.write_text(
        json.dumps(
            {
                "tokenizer_class": "PreTrainedTokenizerFast",
                "eos_token": "<|end|>",
                "clean_up_tokenization_spaces": False,
                "chat_template": TEMPLATE,
            }
        )
    )


def make_second(name: str, folder: Path) -> None:
    """Writes a second model of the shape, with other random weights, and the texts that both are asked about, unless they
    are there: `kl.json`, written last."""
    file = folder / "kl.json"
    if file.is_file():
        return
    import torch

    shape = SHAPES[name]
    random_model(shape, 1).save_pretrained(folder / "second")
    torch.manual_seed(2)
    rows = torch.randint(0, shape.vocab_size, (KL_ROWS, KL_PROMPT + KL_ANSWER))
    partial = file.with_suffix(".partial")
    partial.write_text(json.dumps({"prompt": KL_PROMPT, "rows": rows.tolist()}))
    partial.rename(file)
