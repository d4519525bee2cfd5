"""One measurement of PyTorch in a process of its own; prints one line of JSON. Run by beside.py."""

import argparse
import inspect
import json
import logging
import statistics
import time
from pathlib import Path
from types import SimpleNamespace

import torch
import transformers

from shapes import (
    ADAPTERS,
    GCG_REPLACE,
    GCG_REQUEST,
    GCG_SUFFIX,
    GCG_TARGET,
    GCG_TARGET_TOKENS,
    GCG_TOP_K,
    GCG_WIDTH,
    KL_BATCH,
    NEW_TOKENS,
)

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


def cache_argument() -> str:
    """The name of the argument that takes a cache: another one before transformers 5.24."""
    names = inspect.signature(transformers.LlamaForCausalLM.forward).parameters
    return "cache" if "cache" in names else "past_key_values"


def decode(args, tokens) -> dict:
    model = load(args.folder).eval()
    prompts = torch.tensor(tokens["prompts"][: args.rows])
    attention_mask = torch.ones_like(prompts)
    gaps = []

    def loop(new_tokens: int, keep_gaps: bool = False) -> torch.Tensor:
        cache = {cache_argument(): transformers.DynamicCache(config=model.config)}
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


class TupleCaches:
    """The model as nanoGCG 0.3.0 knows it: caches are pairs of keys and values, layer by layer, which calls go on from and
    leave as they are. transformers 5 has no such form any more; here each call gets a `DynamicCache` made of the pairs.
    What nanoGCG computes stays as it is, copies of the expanded prefix in each layer included: the old form made them too.
    """

    def __init__(self, model):
        self.model, self.argument = model, cache_argument()

    def __getattr__(self, name):
        return getattr(self.model, name)

    def __call__(self, *, inputs_embeds, past_key_values=None, use_cache=None):
        cache = transformers.DynamicCache(config=self.model.config)
        for layer, (keys, values) in enumerate(past_key_values or []):
            cache.update(keys, values, layer)
        output = self.model(inputs_embeds=inputs_embeds, use_cache=use_cache, **{self.argument: cache})
        pairs = [(layer.keys, layer.values) for layer in cache.layers]
        return SimpleNamespace(logits=output.logits, past_key_values=pairs)


def gcg(args, _) -> dict:
    """Steps of nanoGCG's own search, watched from outside, with candidates in batches of `--variant`."""
    import nanogcg
    from nanogcg import gcg as module
    from safetensors.torch import save_file

    nanogcg.gcg.logger.setLevel(logging.ERROR)
    module.tqdm = lambda steps: steps
    model = load(args.folder).eval()
    tokenizer = transformers.AutoTokenizer.from_pretrained(args.folder)
    target = tokenizer.decode(tokenizer(GCG_TARGET)["input_ids"][:GCG_TARGET_TOKENS])
    starts, candidates, loss_seconds, losses = [], [], [], []
    first = {}

    class Watched(module.GCG):
        def compute_token_gradient(self, optim_ids):
            starts.append(time.perf_counter())
            gradient = super().compute_token_gradient(optim_ids)
            if len(starts) == 1:
                ids = {
                    "request": GCG_REQUEST,
                    "answer": target,
                    "init": GCG_SUFFIX,
                    "before": model_ids(self.before_embeds),
                    "suffix": optim_ids[0].tolist(),
                    "target": self.target_ids[0].tolist(),
                    "after": model_ids(self.after_embeds),
                }
                first.update(ids, gradient=gradient[0].clone())
            return gradient

        # nanoGCG looks at the arguments' names.
        def _compute_candidates_loss_original(self, search_batch_size, input_embeds):
            start = time.perf_counter()
            found = super()._compute_candidates_loss_original(search_batch_size, input_embeds)
            loss_seconds.append(time.perf_counter() - start)
            losses.append(found)
            return found

    def model_ids(embeddings):
        """The tokens of embeddings, which is all that nanoGCG keeps."""
        table = model.get_input_embeddings().weight
        return [(table == row).all(1).nonzero()[0].item() for row in embeddings[0]]

    own_filter = module.filter_ids

    def watched_filter(ids, tokenizer):
        candidates.append(own_filter(ids, tokenizer))
        return candidates[-1]

    module.filter_ids = watched_filter
    config = module.GCGConfig(
        num_steps=args.warm_up + args.repetitions,
        optim_str_init=" " + GCG_SUFFIX,
        search_width=args.width,
        topk=GCG_TOP_K,
        n_replace=GCG_REPLACE,
        batch_size=int(args.variant),
        verbosity="ERROR",
    )
    transformers.set_seed(0)
    Watched(TupleCaches(model), tokenizer, config).run(GCG_REQUEST, target)
    ends = [*starts[1:], time.perf_counter()]
    # What the other side computes anew: the first step's candidates, and the loss and the gradient that it began with.
    gradient = first.pop("gradient")
    save_file({"gradient": gradient.detach().contiguous()}, args.folder / "gcg.safetensors")
    step = {"candidates": candidates[0].tolist(), "losses": losses[1].tolist(), "loss": losses[0].item()}
    (args.folder / "gcg.json").write_text(json.dumps(first | step))
    counts = [len(ids) for ids in candidates]
    return {
        "seconds": [end - start for start, end in zip(starts, ends, strict=True)][args.warm_up :],
        # The first loss is that of the starting suffix.
        "loss_seconds": loss_seconds[1 + args.warm_up :],
        "candidates": counts[args.warm_up :],
        "tokens": statistics.median(counts[args.warm_up :]),
        "lengths": {name: len(first[name]) for name in ["before", "suffix", "after", "target"]},
    }


def kl(args, _) -> dict:
    """KL(first ‖ second) at each token of the answers, a batch at a time."""
    models = [load(args.folder).eval(), load(args.folder / "second").eval()]
    texts = json.loads((args.folder / "kl.json").read_text())
    ids = torch.tensor(texts["rows"])[: args.rows]
    predicted = torch.arange(texts["prompt"] - 1, ids.shape[1] - 1)

    def divergence(rows):
        # Only the logits that predict answer tokens are computed.
        p, q = (model(rows, use_cache=False, logits_to_keep=predicted).logits.log_softmax(-1) for model in models)
        return (p.exp() * (p - q)).sum(-1)

    found = []

    def all_rows():
        found.append(torch.cat([divergence(rows) for rows in ids.split(KL_BATCH)]))

    with torch.inference_mode():
        # Reads all weights, so that what is resident then is them and the libraries.
        for model in models:
            model(ids[:1, :1], use_cache=False)
        ready = reset_peak()
        for _ in range(args.warm_up):
            divergence(ids[:KL_BATCH])
        seconds = [timed(all_rows) for _ in range(args.repetitions)]
        peak = memory("VmHWM")
    return {
        "seconds": seconds,
        "tokens": ids.shape[0] * len(predicted),
        "kl": found[-1].flatten().tolist(),
        "ready_rss": ready,
        "work_peak_rss": peak,
    }


def reset_peak() -> int:
    """Forgets the peak of resident memory so far, and returns what is resident now."""
    Path("/proc/self/clear_refs").write_text("5")
    return memory("VmRSS")


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
    parser.add_argument("--width", type=int, default=GCG_WIDTH)
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
    measures = {"train": train, "lora": train, "lora-all": train, "forward": forward, "decode": decode}
    result = (measures | {"gcg": gcg, "kl": kl})[args.what](args, tokens)
    print(json.dumps({**result, "start_rss": start_rss, "peak_rss": memory("VmHWM")}))


if __name__ == "__main__":
    main()
