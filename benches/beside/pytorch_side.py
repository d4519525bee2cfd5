"""One measurement of PyTorch in a process of its own; prints one line of JSON. Run by beside.py."""

import argparse
import inspect
import json
import time
from pathlib import Path

import torch
import transformers

from shapes import ADAPTERS, NEW_TOKENS

# The settings of the training step, the same on both sides (main.rs).
LEARNING_RATE = 1e-4
BETAS = (0.9, 0.999)
WEIGHT_DECAY = 0.01


def memory(key: str) -> int:
    """A line of /proc/self/status in bytes: VmRSS is what is resident now, VmHWM its peak."""
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith(key + ":"):
            return int(line.split()[1]) * 1024
    raise SystemExit(f"/proc/self/status has no {key}; the bench measures memory on Linux only.")


def timed(work) -> float:
    start = time.perf_counter()
    work()
    return time.perf_counter() - start


def load(folder: Path):
    return transformers.LlamaForCausalLM.from_pretrained(folder, dtype=torch.float32, attn_implementation="sdpa")


def optimiser(model, variant: str) -> torch.optim.Optimizer:
    """AdamW that decays matrices only. `default` is what PyTorch chooses by itself."""
    trained = [p for p in model.parameters() if p.requires_grad]
    groups = [
        {"params": [p for p in trained if p.dim() > 1], "weight_decay": WEIGHT_DECAY},
        {"params": [p for p in trained if p.dim() <= 1], "weight_decay": 0.0},
    ]
    options = {"default": {}, "foreach": {"foreach": True}, "fused": {"fused": True}}[variant]
    return torch.optim.AdamW([g for g in groups if g["params"]], lr=LEARNING_RATE, betas=BETAS, eps=1e-8, **options)


def train(args, tokens) -> dict:
    model = load(args.folder)
    if args.what in ADAPTERS:
        from peft import PeftModel

        model = PeftModel.from_pretrained(model, args.folder / args.what, is_trainable=True)
    model.train()
    adamw = optimiser(model, args.variant)
    ids = torch.tensor(tokens["batch"])
    losses = []

    def step():
        adamw.zero_grad(set_to_none=True)
        # With labels the model shifts them, not its logits, which saves a copy of the largest tensor.
        loss = model(input_ids=ids, labels=ids, use_cache=False).loss
        loss.backward()
        adamw.step()
        losses.append(loss.item())

    for _ in range(args.warm_up):
        step()
    seconds = [timed(step) for _ in range(args.repetitions)]
    return {"seconds": seconds, "tokens": ids.numel(), "losses": losses}


def forward(args, tokens) -> dict:
    model = load(args.folder).eval()
    ids = torch.tensor(tokens["batch"])
    with torch.inference_mode():
        for _ in range(args.warm_up):
            logits = model(ids, use_cache=False).logits
            # A few tokens at a time, so that the check adds nothing to the peak of memory.
            total = 0.0
            for row, targets in zip(logits[:, :-1], ids[:, 1:], strict=True):
                for part, target in zip(row.split(16), targets.split(16), strict=True):
                    total += torch.nn.functional.cross_entropy(part, target, reduction="sum").item()
            loss = total / ids[:, 1:].numel()
            del logits, row, part
        seconds = [timed(lambda: model(ids, use_cache=False).logits) for _ in range(args.repetitions)]
    return {"seconds": seconds, "tokens": ids.numel(), "losses": [loss]}


def decode(args, tokens) -> dict:
    model = load(args.folder).eval()
    prompts = torch.tensor(tokens["prompts"][: args.rows])
    attention_mask = torch.ones_like(prompts)
    gaps = []

    # The argument had another name before transformers 5.24.
    names = inspect.signature(transformers.LlamaForCausalLM.forward).parameters
    cache_argument = "cache" if "cache" in names else "past_key_values"

    def loop(new_tokens: int, keep_gaps: bool = False) -> torch.Tensor:
        cache = {cache_argument: transformers.DynamicCache(config=model.config)}
        output = model(prompts, use_cache=True, logits_to_keep=1, **cache)
        chosen = []
        while True:
            logits = output.logits[:, -1]
            if keep_gaps:
                best = logits.topk(2).values
                gaps.append((best[:, 0] - best[:, 1]).tolist())
            chosen.append(logits.argmax(-1, keepdim=True))
            if len(chosen) == new_tokens:
                return torch.cat(chosen, 1)
            output = model(chosen[-1], use_cache=True, **cache)

    def generate(new_tokens: int) -> torch.Tensor:
        output = model.generate(
            prompts, attention_mask=attention_mask, max_new_tokens=new_tokens, do_sample=False, pad_token_id=0
        )
        return output[:, prompts.shape[1] :]

    work = {"loop": loop, "generate": generate}[args.variant]
    with torch.inference_mode():
        loop(NEW_TOKENS, keep_gaps=True)
        for _ in range(args.warm_up):
            chosen = work(NEW_TOKENS)
        first_token_seconds = [timed(lambda: work(1)) for _ in range(args.repetitions)]
        seconds = [timed(lambda: work(NEW_TOKENS)) for _ in range(args.repetitions)]
    return {
        "seconds": seconds,
        "first_token_seconds": first_token_seconds,
        "tokens": prompts.shape[0] * NEW_TOKENS,
        "generated": chosen.tolist(),
        "gaps": [list(row) for row in zip(*gaps, strict=True)],
    }


def limits(args) -> dict:
    """Bytes/s of a read-only sum over `--bytes`, and FLOP/s of x·Wᵀ for every product m×n×k: the best of several."""

    def best(work, times: int) -> float:
        work()
        return min(timed(work) for _ in range(times))

    array = torch.ones(args.bytes // 4)
    bandwidth = args.bytes / best(array.sum, 8)
    del array
    products = {}
    for product in args.products:
        m, n, k = map(int, product.split("x"))
        x, weight, out = torch.randn(m, k), torch.randn(n, k), torch.empty(m, n)
        flops = 2 * m * n * k
        products[product] = flops / best(lambda: torch.mm(x, weight.t(), out=out), 4 if flops > 1e10 else 20)
    return {"bandwidth": bandwidth, "products": products}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--what", required=True)
    parser.add_argument("--variant", default="")
    parser.add_argument("--folder", type=Path)
    parser.add_argument("--rows", type=int, default=1)
    parser.add_argument("--warm-up", type=int, default=1)
    parser.add_argument("--repetitions", type=int, default=3)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--bytes", type=int, default=1 << 29)
    parser.add_argument("--products", nargs="*", default=[])
    args = parser.parse_args()
    torch.set_num_threads(args.threads)
    transformers.logging.set_verbosity_error()
    transformers.logging.disable_progress_bar()
    start_rss = memory("VmRSS")
    if args.what == "limits":
        print(json.dumps(limits(args)))
        return
    tokens = json.loads((args.folder / "tokens.json").read_text())
    measure = {"train": train, "lora": train, "lora-all": train, "forward": forward, "decode": decode}[args.what]
    result = measure(args, tokens)
    print(json.dumps({**result, "start_rss": start_rss, "peak_rss": memory("VmHWM")}))


if __name__ == "__main__":
    main()
