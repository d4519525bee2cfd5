"""The results of the bench as tables in Markdown."""

import statistics
from pathlib import Path

from shapes import KL_ANSWER, KL_PROMPT, NEW_TOKENS, SHAPES, Shape

BEGIN, END = "<!-- beside.py: begin -->", "<!-- beside.py: end -->"

# What is aimed at: times PyTorch's tokens/s, times its peak of memory, share of the limit.
AIMS = {
    ("demo", "train"): {"speed": 1.5},
    ("135m", "train"): {"speed": 1.2, "memory": 0.8},
    ("135m", "decode1"): {"limit": 0.9},
    ("135m", "decode16"): {"speed": 1.5},
    ("135m", "lora"): {"speed": 1.0, "memory": 0.8},
    ("135m", "lora-all"): {"speed": 1.0, "memory": 0.8},
    ("135m", "gcg"): {"speed": 2.0},
    ("135m", "kl"): {"speed": 1.2, "work_memory": 1 / 3},
}
NAMES = {
    "train": "training step",
    "forward": "forward",
    "decode1": "decode, batch 1",
    "decode16": "decode, batch 16",
    "lora": "LoRA step, q and v",
    "lora-all": "LoRA step, all linears",
    "gcg": "GCG, candidates of whole steps",
    "kl": "KL per token",
}


def seconds(side: dict) -> float:
    return statistics.median(side["seconds"])


def median_of(pairs: list[dict], value) -> float:
    return statistics.median(value(pair) for pair in pairs)


def product_seconds(shape: Shape, limits: dict) -> tuple[float, float]:
    """What the matrix products of one token take at the best rates: those of all blocks, and that of the output layer."""
    body = head = 0.0
    for n, k, times in shape.products():
        product = f"{shape.batch_tokens}x{n}x{k}"
        took = times * 2 * n * k / max(limits[s]["products"][product] for s in limits)
        if n == shape.vocab_size:
            head += took
        else:
            body += took
    return body, head


def candidate_seconds(shape: Shape, limits: dict, pytorch: dict) -> float:
    """What a candidate of GCG needs at least: tokens from its swap on, which is in the middle of the suffix on average, but
    for the target's last, and the logits that the target is read from."""
    body, head = product_seconds(shape, limits)
    lengths = pytorch["lengths"]
    tokens = (lengths["suffix"] + 1) / 2 + lengths["after"] + lengths["target"] - 1
    return tokens * body + lengths["target"] * head


def search_seconds(shape: Shape, limits: dict, pytorch: dict, side: dict) -> float:
    """What a whole step needs at least: the candidates, and the gradient, forwards and backwards behind the prefix, with
    its product with the embeddings."""
    body, head = product_seconds(shape, limits)
    lengths = pytorch["lengths"]
    tokens = lengths["suffix"] + lengths["after"] + lengths["target"] - 1
    gradient = 2 * tokens * body + (2 * lengths["target"] + lengths["suffix"]) * head
    return side["tokens"] * candidate_seconds(shape, limits, pytorch) + gradient


def share_of_limit(measurement: dict, side: str, limits: dict) -> float | None:
    """How much of what the machine can do is reached; None where neither limit is known for the measurement.

    Forward and training: the time that the matrix products alone would take at the best rate that either side's
    library reached for each of them (training needs each three times: the output, and the gradients of input and
    weight), by the time taken. Decode at batch 1: bytes of weights read per second by the bandwidth; the time of the
    first token, which also reads the prompt, is taken off.
    """
    shape, what, pairs = SHAPES[measurement["shape"]], measurement["what"], measurement["pairs"]
    if what in ("train", "forward"):
        ideal = shape.batch_tokens * sum(product_seconds(shape, limits))
        return (3 if what == "train" else 1) * ideal / median_of(pairs, lambda p: seconds(p[side]))
    if what == "kl":
        body, head = product_seconds(shape, limits)
        tokens = pairs[0][side]["tokens"]
        ideal = 2 * tokens * (body * (KL_PROMPT + KL_ANSWER) / KL_ANSWER + head)
        return ideal / median_of(pairs, lambda p: seconds(p[side]))
    if what == "gcg":
        return median_of(pairs, lambda p: search_seconds(shape, limits, p["pytorch"], p[side]) / seconds(p[side]))
    # The small shape's weights stay in the processor's caches.
    if what == "decode1" and measurement["shape"] == "135m":
        bandwidth = max(limits[s]["bandwidth"] for s in limits)

        def token(pair: dict) -> float:
            first = statistics.median(pair[side]["first_token_seconds"])
            return (seconds(pair[side]) - first) / (NEW_TOKENS - 1)

        return shape.weight_bytes() / median_of(pairs, token) / bandwidth
    return None


def work_memory(side: dict) -> int:
    """The peak above what was resident when all weights were there and nothing had been computed."""
    return side["work_peak_rss"] - side["ready_rss"]


def numbers(measurement: dict, limits: dict) -> dict:
    """The figures of one line of the table."""
    pairs = measurement["pairs"]
    built = all(pair["plumbline"] for pair in pairs)
    sides = ["pytorch", "plumbline"] if built else ["pytorch"]
    found = {"pytorch": {}, "plumbline": {}}
    for side in sides:
        found[side] = {
            "rate": median_of(pairs, lambda p: p[side]["tokens"] / seconds(p[side])),
            "peak": median_of(pairs, lambda p: p[side]["peak_rss"]),
            "start": median_of(pairs, lambda p: p[side]["start_rss"]),
            "limit": share_of_limit(measurement, side, limits),
        }
    if built:
        ratios = [seconds(p["pytorch"]) / seconds(p["plumbline"]) for p in pairs]
        found |= {"speed": statistics.median(ratios), "lowest": min(ratios), "highest": max(ratios)}
        if "work_peak_rss" in pairs[0]["pytorch"]:
            for side in sides:
                found[side]["work"] = median_of(pairs, lambda p: work_memory(p[side]))
            found["work_memory"] = median_of(
                pairs, lambda p: work_memory(p["plumbline"]) / work_memory(p["pytorch"])
            )
        found["memory"] = median_of(pairs, lambda p: p["plumbline"]["peak_rss"] / p["pytorch"]["peak_rss"])
        found["memory_above_start"] = median_of(
            pairs,
            lambda p: (p["plumbline"]["peak_rss"] - p["plumbline"]["start_rss"])
            / (p["pytorch"]["peak_rss"] - p["pytorch"]["start_rss"]),
        )
    return found


def verdict(measurement: dict, found: dict) -> str:
    """The aim, and whether it is reached."""
    aims = AIMS.get((measurement["shape"], measurement["what"]))
    if not aims:
        return "–"
    asked, reached = [], []
    if "speed" in aims:
        asked.append(f"≥ {aims['speed']:.1f}×")
        reached.append("speed" in found and found["speed"] >= aims["speed"])
    if "memory" in aims:
        asked.append(f"memory ≤ {aims['memory']:.1f}×")
        reached.append("memory" in found and found["memory"] <= aims["memory"])
    if "work_memory" in aims:
        asked.append(f"memory of the work ≤ {aims['work_memory']:.2f}×")
        reached.append("work_memory" in found and found["work_memory"] <= aims["work_memory"])
    if "limit" in aims:
        asked.append(f"≥ {aims['limit']:.0%} of the limit")
        limit = found["plumbline"].get("limit")
        reached.append(limit is not None and limit >= aims["limit"])
    if not found["plumbline"]:
        return ", ".join(asked)
    return ", ".join(asked) + (": reached" if all(reached) else ": not reached")


def markdown_table(head: list[str], rows: list[list[str]]) -> str:
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)


def search_table(measurement: dict, limits: dict) -> str:
    """GCG by its own measures: whole steps, and the losses of the same candidates on both sides."""
    pairs, shape = measurement["pairs"], SHAPES[measurement["shape"]]

    def loss_rate(pair: dict, side: str) -> float:
        count = pair["plumbline"]["loss_candidates"] if side == "plumbline" else pair["pytorch"]["tokens"]
        return count / statistics.median(pair[side]["loss_seconds"])

    rows = []
    for name, rate, ideal in [
        (
            "steps/s, gradient, sampling and filter included",
            lambda p, side: 1 / seconds(p[side]),
            lambda p, side: 1 / search_seconds(shape, limits, p["pytorch"], p[side]),
        ),
        (
            "losses of the candidates alone, candidates/s",
            loss_rate,
            lambda p, side: 1 / candidate_seconds(shape, limits, p["pytorch"]),
        ),
    ]:
        ratios = [rate(p, "plumbline") / rate(p, "pytorch") for p in pairs]
        shares = {
            side: median_of(pairs, lambda p, side=side: rate(p, side) / ideal(p, side))
            for side in ["plumbline", "pytorch"]
        }
        digits = 4 if "steps" in name else 1
        rows.append([
            name,
            *(f"{median_of(pairs, lambda p, side=side: rate(p, side)):.{digits}f}" for side in ["pytorch", "plumbline"]),
            f"**{statistics.median(ratios):.2f}×** ({min(ratios):.2f}–{max(ratios):.2f})",
            f"{shares['plumbline']:.0%} ({shares['pytorch']:.0%})",
        ])
    return markdown_table(
        ["GCG, 135m", f"nanoGCG ({measurement['variant']} at once)", "Plumbline", "ratio (lowest–highest pair)",
         "of the bound (nanoGCG)"],
        rows,
    )


def tables(results: dict) -> str:
    """Everything that docs/performance.md shows of a run."""
    versions = ", ".join(f"{name} {number}" for name, number in results["versions"].items())
    pairs = {len(m["pairs"]) for m in results["measurements"]}
    count = "–".join(map(str, sorted({min(pairs), max(pairs)})))
    about = (
        f"{results['date']}, {results['processor']} with {results['cores']} cores, {results['threads']} threads each, "
        f"medians of {count} pairs; {versions}; Plumbline {results['commit']}; "
        f"load of the machine before: {results['load_before']:.1f}."
    )
    speed, memory, search, work = [], [], [], []
    for measurement in results["measurements"]:
        found = numbers(measurement, results["limits"])
        name = [measurement["shape"], NAMES[measurement["what"]]]
        theirs, ours = found["pytorch"], found["plumbline"]
        if measurement["what"] == "gcg":
            search.append(search_table(measurement, results["limits"]))
        if "work_memory" in found:
            work.append(
                f"Above the weights, {name[1]} takes {ours['work'] / 1e6:.0f} MB, PyTorch {theirs['work'] / 1e6:.0f} MB: "
                f"**{found['work_memory']:.2f}×**."
            )
        built = bool(ours)
        limit = f"{ours['limit']:.0%} ({theirs['limit']:.0%})" if built and ours["limit"] else "–"
        speed.append([
            *name,
            f"{theirs['rate']:.0f} ({measurement['variant']})",
            f"{ours['rate']:.0f}" if built else "not built",
            f"**{found['speed']:.2f}×** ({found['lowest']:.2f}–{found['highest']:.2f})" if built else "–",
            limit,
            verdict(measurement, found),
        ])
        memory.append([
            *name,
            f"{theirs['peak'] / 1e6:.0f} ({theirs['start'] / 1e6:.0f})",
            f"{ours['peak'] / 1e6:.0f} ({ours['start'] / 1e6:.0f})" if built else "not built",
            f"**{found['memory']:.2f}×**" if built else "–",
            f"{found['memory_above_start']:.2f}×" if built else "–",
        ])
    limits = results["limits"]
    reached = [
        [
            "reading memory, GB/s",
            *(f"{limits[side]['bandwidth'] / 1e9:.1f}" for side in ("pytorch", "plumbline")),
        ]
    ]
    for product in sorted(limits["pytorch"]["products"], key=lambda p: [int(n) for n in p.split("x")]):
        reached.append([
            f"x·Wᵀ {product.replace('x', ' × ')}, GFLOP/s",
            *(f"{limits[side]['products'][product] / 1e9:.0f}" for side in ("pytorch", "plumbline")),
        ])
    return "\n\n".join([
        about,
        "**Speed, tokens/s**",
        markdown_table(
            ["shape", "what", "PyTorch (its setting)", "Plumbline", "ratio (lowest–highest pair)",
             "of the limit (PyTorch)", "aim"],
            speed,
        ),
        *search,
        "**Peak of resident memory, MB (in brackets: before the model was loaded)**",
        markdown_table(["shape", "what", "PyTorch", "Plumbline", "ratio", "ratio above the start"], memory),
        *work,
        "**The machine's limits**",
        markdown_table(["m × n × k", "torch.mm, torch.sum", "gemm crate, own sum"], reached),
    ]) + "\n"


def write_markdown(file: Path, text: str) -> None:
    """Puts the tables between the two marks in the file."""
    old = file.read_text()
    if old.count(BEGIN) != 1 or old.count(END) != 1:
        raise SystemExit(f"{file} must have the marks {BEGIN} and {END} once each.")
    head, rest = old.split(BEGIN)
    file.write_text(f"{head}{BEGIN}\n{text}{END}{rest.split(END)[1]}")
