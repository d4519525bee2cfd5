"""The bench beside PyTorch: both sides compute the same thing from the same weights, in turns, in one run.

    python benches/beside/beside.py [--shape demo|135m|both] [--what train,forward,…] [--pairs N] [--markdown]

Every measurement is a process of its own. A pair is one of PyTorch and one of Plumbline, one after the other; which
goes first alternates, so that a machine that slows down slows down both. What counts is the median over the pairs of
the ratio. The two sides must agree in their losses and in every greedy token, or nothing is reported.
docs/performance.md says what is measured.
"""

import argparse
import datetime
import importlib.util
import json
import math
import os
import platform
import statistics
import subprocess
import sys
from pathlib import Path

from shapes import DECODE_ROWS, GCG_WIDTH, KL_ROWS, SHAPES, Shape, make_checkpoint, make_second, make_tokenizer
from tables import tables, write_markdown

ROOT = Path(__file__).resolve().parents[2]
HERE = Path(__file__).resolve().parent

PACKAGES = ["torch", "transformers", "peft", "nanogcg"]

# Largest relative difference of the two losses of a step.
LOSS_TOLERANCE = 1e-3
# Where PyTorch's two best logits are closer than this, either token is right.
NEAR_TIE = 1e-4

# Least cosine of the two gradients of GCG.
LEAST_COSINE = 0.9999

MEASUREMENTS = ["train", "forward", "decode1", "decode16", "lora", "lora-all", "gcg", "kl"]
# Measured at the larger shape only, and what they need beside its checkpoint.
LARGE_ONLY = {"gcg": make_tokenizer, "kl": make_second}
# The settings of PyTorch among which the faster one is taken, by a trial before the pairs.
VARIANTS = {
    "train": ["default", "foreach", "fused"],
    "lora": ["default", "foreach", "fused"],
    "lora-all": ["default", "foreach", "fused"],
    "forward": ["eager"],
    "decode": ["loop", "generate"],
    # Candidates that nanoGCG computes together.
    "gcg": ["32", "64", "128", "512"],
    "kl": ["eager"],
}
# Bytes that must be free for nanoGCG to compute 512 candidates at once.
LARGEST_BATCH = 16e9
# Timed repetitions in each process: about as many as make a process of the larger shape last half a minute.
REPETITIONS = {"demo": {"decode": 3, "other": 10}, "135m": {"decode": 2, "gcg": 2, "kl": 1, "other": 3}}


class Bench:
    """Runs single measurements of both sides with the same threads and the same environment."""

    def __init__(self, threads: int, binary: Path, folder: Path):
        self.threads, self.binary, self.folder = threads, binary, folder
        # A machine may set these against an old library's faults; they slow down a current one.
        kept = {name: value for name, value in os.environ.items() if not name.startswith("OPENBLAS_")}
        pools = ["OMP_NUM_THREADS", "MKL_NUM_THREADS", "RAYON_NUM_THREADS", "CANDLE_NUM_THREADS"]
        self.environment = kept | {name: str(threads) for name in pools}

    def pytorch(self, what: str, variant: str = "", **options) -> dict:
        command = [sys.executable, str(HERE / "pytorch_side.py"), "--threads", str(self.threads)]
        return self.run(command, what, options | ({"variant": variant} if variant else {}))

    def plumbline(self, what: str, **options) -> dict:
        return self.run([str(self.binary)], what, options)

    def run(self, command: list[str], what: str, options: dict) -> dict:
        command = [*command, "--what", what]
        for name, value in options.items():
            values = value if isinstance(value, list) else [value]
            command += ["--" + name.replace("_", "-"), *map(str, values)]
        done = subprocess.run(command, env=self.environment, stdout=subprocess.PIPE, text=True, check=False)
        if done.returncode != 0:
            raise SystemExit(f"`{' '.join(command)}` ended with {done.returncode}; its message stands above.")
        return json.loads(done.stdout.splitlines()[-1])


def check_equal(pytorch: dict, plumbline: dict, where: str) -> None:
    """Stops the bench unless both sides computed the same losses and the same tokens."""
    if "gradient" in plumbline:
        check_search(plumbline, where)
        return
    if "kl" in pytorch:
        # Only how close they are is kept.
        theirs, ours = pytorch.pop("kl"), plumbline.pop("kl")
        differences = [abs(a - b) / abs(a) for a, b in zip(theirs, ours, strict=True)]
        plumbline["kl_difference"] = max(differences)
        if max(differences) > LOSS_TOLERANCE:
            raise SystemExit(f"{where}: KL differs by {max(differences)}, relative.")
        return
    if "generated" in pytorch:
        check_tokens(pytorch, plumbline["generated"], where)
        return
    theirs, ours = pytorch["losses"], plumbline["losses"]
    if len(theirs) != len(ours):
        raise SystemExit(f"{where}: PyTorch gave {len(theirs)} losses, Plumbline {len(ours)}.")
    for step, (a, b) in enumerate(zip(theirs, ours, strict=True), 1):
        if not math.isclose(a, b, rel_tol=LOSS_TOLERANCE):
            raise SystemExit(f"{where}: the losses differ in step {step}: PyTorch {a}, Plumbline {b}.")


def check_search(plumbline: dict, where: str) -> None:
    """Plumbline computed nanoGCG's first step anew: its loss, its gradient, and the losses of its candidates."""
    for name in ["start_loss_difference", "loss_difference", "lowest_difference"]:
        if not plumbline[name] <= LOSS_TOLERANCE:
            raise SystemExit(f"{where}: {name} is {plumbline[name]}.")
    if plumbline["gradient"]["cosine"] < LEAST_COSINE:
        raise SystemExit(f"{where}: the gradients differ: {plumbline['gradient']}.")


def check_tokens(pytorch: dict, ours: list[list[int]], where: str) -> None:
    if len(pytorch["generated"]) != len(ours):
        raise SystemExit(f"{where}: PyTorch continued {len(pytorch['generated'])} rows, Plumbline {len(ours)}.")
    for row, (expected, gaps, found) in enumerate(zip(pytorch["generated"], pytorch["gaps"], ours, strict=True)):
        if len(expected) != len(found):
            raise SystemExit(f"{where}: row {row} has {len(expected)} tokens in PyTorch, {len(found)} in Plumbline.")
        for position, (a, gap, b) in enumerate(zip(expected, gaps, found, strict=True)):
            if a != b and gap >= NEAR_TIE:
                raise SystemExit(
                    f"{where}: row {row} differs at new token {position}: PyTorch {a}, Plumbline {b}, "
                    f"with {gap} between PyTorch's two best logits."
                )
            if a != b:
                break  # After a tie that fell otherwise, the row is another text.


def faster_variant(bench: Bench, what: str, options: dict, where: str) -> tuple[str, dict[str, float]]:
    """The fastest setting of PyTorch and the seconds of each."""
    seconds = {}
    if what == "gcg":
        for variant in VARIANTS[what]:
            if int(variant) == GCG_WIDTH and free_memory() < LARGEST_BATCH:
                print(f"{where}: too little memory for {variant} candidates at once", flush=True)
                continue
            # A few batches show how long a candidate takes.
            trial = options | {"width": max(128, int(variant)), "warm_up": 0, "repetitions": 1}
            found = bench.pytorch(what, variant, **trial)
            seconds[variant] = sum(found["loss_seconds"]) / sum(found["candidates"])
            print(f"{where}: nanoGCG {seconds[variant]:.4f} s for a candidate, {variant} at once", flush=True)
        return min(seconds, key=seconds.__getitem__), seconds
    for variant in VARIANTS[what]:
        if len(VARIANTS[what]) == 1:
            return variant, {}
        seconds[variant] = statistics.median(bench.pytorch(what, variant, **options)["seconds"])
        print(f"{where}: PyTorch {variant} {seconds[variant]:.3f} s", flush=True)
    return min(seconds, key=seconds.__getitem__), seconds


def free_memory() -> int:
    """Bytes that can be taken."""
    for line in Path("/proc/meminfo").read_text().splitlines():
        if line.startswith("MemAvailable:"):
            return int(line.split()[1]) * 1024
    return 0


def measure(bench: Bench, shape_name: str, measurement: str, args) -> dict:
    """All pairs of one measurement."""
    where = f"{shape_name} {measurement}"
    what = "decode" if measurement.startswith("decode") else measurement
    kind = what if what in REPETITIONS[shape_name] else "other"
    options = {"folder": bench.folder / shape_name, "repetitions": args.repetitions or REPETITIONS[shape_name][kind]}
    if what == "decode":
        options["rows"] = {"decode1": 1, "decode16": DECODE_ROWS}[measurement]
    options["warm_up"] = args.warm_up
    if what == "kl":
        options["rows"] = args.answers
    variant, trial = faster_variant(bench, what, options, where)
    pairs = []
    for number in range(args.pairs):
        sides = [lambda: bench.pytorch(what, variant, **options), lambda: bench.plumbline(what, **options)]
        if number % 2 == 0:
            pytorch, plumbline = sides[0](), sides[1]()
        else:
            plumbline, pytorch = sides[1](), sides[0]()
        if "not_built" in plumbline:
            print(f"{where}: {plumbline['not_built']}", flush=True)
            pairs.append({"pytorch": pytorch, "plumbline": None})
            continue
        check_equal(pytorch, plumbline, where)
        pairs.append({"pytorch": pytorch, "plumbline": plumbline})
        ratio = statistics.median(pytorch["seconds"]) / statistics.median(plumbline["seconds"])
        print(f"{where}: pair {number + 1} of {args.pairs}, Plumbline {ratio:.2f} times as fast", flush=True)
    return {"shape": shape_name, "what": measurement, "variant": variant, "trial_seconds": trial, "pairs": pairs}


def limits(bench: Bench, shapes: dict[str, Shape]) -> dict:
    """What the machine reaches: bytes/s of reading as much as the larger model's weights, FLOP/s of each product."""
    products = sorted({f"{s.batch_tokens}x{n}x{k}" for s in shapes.values() for n, k, _ in s.products()})
    options = {"bytes": SHAPES["135m"].weight_bytes(), "products": products}
    return {"pytorch": bench.pytorch("limits", **options), "plumbline": bench.plumbline("limits", **options)}


def better_limits(first: dict, second: dict) -> dict:
    """Limits are what was reached at best, before the pairs or after them."""
    return {
        side: {
            "bandwidth": max(first[side]["bandwidth"], second[side]["bandwidth"]),
            "products": {p: max(rate, second[side]["products"][p]) for p, rate in first[side]["products"].items()},
        }
        for side in first
    }


def build() -> Path:
    """Builds Plumbline's side and returns its path."""
    command = ["cargo", "bench", "--no-run", "--bench", "beside", "--message-format=json"]
    done = subprocess.run(command, cwd=ROOT, stdout=subprocess.PIPE, text=True, check=False)
    if done.returncode != 0:
        raise SystemExit(f"`{' '.join(command)}` ended with {done.returncode}; its message stands above.")
    for line in done.stdout.splitlines():
        message = json.loads(line)
        if message.get("executable") and message["target"]["name"] == "beside":
            return Path(message["executable"])
    raise SystemExit(f"`{' '.join(command)}` named no executable of the bench `beside`.")


def about(threads: int) -> dict:
    """The machine and the versions that the numbers are of."""
    from importlib.metadata import version

    model = next(
        (line.split(":", 1)[1].strip() for line in open("/proc/cpuinfo") if line.startswith("model name")),
        platform.processor(),
    )
    commit = subprocess.run(
        ["git", "describe", "--always", "--dirty"], cwd=ROOT, stdout=subprocess.PIPE, text=True, check=False
    )
    return {
        "date": datetime.date.today().isoformat(),
        "processor": model,
        "cores": os.cpu_count(),
        "threads": threads,
        "commit": commit.stdout.strip(),
        "versions": {name: version(name) for name in PACKAGES},
    }


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--shape", choices=[*SHAPES, "both"], default="both")
    parser.add_argument("--what", default=",".join(MEASUREMENTS), help="of " + ",".join(MEASUREMENTS))
    parser.add_argument("--pairs", type=int, default=5)
    parser.add_argument("--repetitions", type=int, help="timed repetitions in each process")
    parser.add_argument("--warm-up", type=int, default=1, help="repetitions before them that are not timed")
    parser.add_argument("--answers", type=int, default=KL_ROWS, help="answers of the KL measurement")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--folder", type=Path, default=ROOT / "target/beside", help="for checkpoints and results.json")
    parser.add_argument("--binary", type=Path, help="Plumbline's side, if it is built already")
    parser.add_argument("--markdown", action="store_true", help="put the tables into docs/performance.md")
    parser.add_argument("--from-results", action="store_true", help="show the last results again; measure nothing")
    args = parser.parse_args()
    args.what = args.what.split(",")
    unknown = [w for w in args.what if w not in MEASUREMENTS]
    if unknown:
        parser.error(f"--what {','.join(unknown)} is none of {', '.join(MEASUREMENTS)}")
    if args.pairs < 1:
        parser.error("--pairs must be 1 or more")
    return args


def run(args: argparse.Namespace) -> dict:
    absent = [name for name in PACKAGES if importlib.util.find_spec(name) is None]
    if absent:
        raise SystemExit(f"Python lacks {', '.join(absent)}. Install with: pip install {' '.join(PACKAGES)}")
    names = list(SHAPES) if args.shape == "both" else [args.shape]
    wanted = [(name, what) for name in names for what in args.what if what not in LARGE_ONLY or name == "135m"]
    for name in names:
        make_checkpoint(name, args.folder / name)
    for name, what in wanted:
        if what in LARGE_ONLY:
            LARGE_ONLY[what](name, args.folder / name)
    bench = Bench(args.threads, args.binary or build(), args.folder)
    load = os.getloadavg()[0]
    if load > 0.5:
        print(f"note: the machine is busy (load {load:.1f}); measure on a quiet one", file=sys.stderr)
    shapes = {name: SHAPES[name] for name in names}
    results = about(args.threads) | {"load_before": load}
    before = limits(bench, shapes)
    results["measurements"] = [measure(bench, name, what, args) for name, what in wanted]
    results["limits"] = better_limits(before, limits(bench, shapes))
    return results


def main() -> None:
    args = arguments()
    file = args.folder / "results.json"
    if args.from_results:
        results = json.loads(file.read_text())
    else:
        args.folder.mkdir(parents=True, exist_ok=True)
        results = run(args)
        file.write_text(json.dumps(results, indent=1))
    text = tables(results)
    print("\n" + text)
    print(f"All numbers: {file}")
    if args.markdown:
        write_markdown(ROOT / "docs/performance.md", text)


if __name__ == "__main__":
    main()
