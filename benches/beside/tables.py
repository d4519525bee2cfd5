"""The results of the bench as tables in Markdown."""

import statistics
from pathlib import Path

from shapes import NEW_TOKENS, SHAPES

BEGIN, END = "<!-- beside.py: begin -->", "<!-- beside.py: end -->"

# What is aimed at: times PyTorch's tokens/s, times its peak of memory, share of the limit.
AIMS = {
    ("demo", "train"): {"speed": 1.5},
    ("135m", "train"): {"speed": 1.2, "memory": 0.8},
    ("135m", "decode1"): {"limit": 0.9},
    ("135m", "decode16"): {"speed": 1.5},
    ("135m", "lora"): {"speed": 1.0, "memory": 0.8},
    ("135m", "lora-all"): {"speed": 1.0, "memory": 0.8},
}
NAMES = {
    "train": "training step",
    "forward": "forward",
    "decode1": "decode, batch 1",
    "decode16": "decode, batch 16",
    "lora": "LoRA step, q and v",
    "lora-all": "LoRA step, all linears",
}


def seconds(side: dict) -> float:
    return statistics.median(side["seconds"])


def median_of(pairs: list[dict], value) -> float:
    return statistics.median(value(pair) for pair in pairs)


def share_of_limit(measurement: dict, side: str, limits: dict) -> float | None:
    """How much of what the machine can do is reached; None where neither limit is known for the measurement.

    Forward and training: the time that the matrix products alone would take at the best rate that either side's
    library reached for each of them (training needs each three times: the output, and the gradients of input and
    weight), by the time taken. Decode at batch 1: bytes of weights read per second by the bandwidth; the time of the
    first token, which also reads the prompt, is taken off.
    """
    shape, what, pairs = SHAPES[measurement["shape"]], measurement["what"], measurement["pairs"]
    if what in ("train", "forward"):
        ideal = 0.0
        for n, k, times in shape.products():
            product = f"{shape.batch_tokens}x{n}x{k}"
            rate = max(limits[s]["products"][product] for s in limits)
            ideal += times * 2 * shape.batch_tokens * n * k / rate
        return (3 if what == "train" else 1) * ideal / median_of(pairs, lambda p: seconds(p[side]))
    # The small shape's weights stay in the processor's caches.
    if what == "decode1" and measurement["shape"] == "135m":
        bandwidth = max(limits[s]["bandwidth"] for s in limits)

        def token(pair: dict) -> float:
            first = statistics.median(pair[side]["first_token_seconds"])
            return (seconds(pair[side]) - first) / (NEW_TOKENS - 1)

        return shape.weight_bytes() / median_of(pairs, token) / bandwidth
    return None


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
    speed, memory = [], []
    for measurement in results["measurements"]:
        found = numbers(measurement, results["limits"])
        name = [measurement["shape"], NAMES[measurement["what"]]]
        theirs, ours = found["pytorch"], found["plumbline"]
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
        "**Peak of resident memory, MB (in brackets: before the model was loaded)**",
        markdown_table(["shape", "what", "PyTorch", "Plumbline", "ratio", "ratio above the start"], memory),
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
