"""What pruning costs the digits' network in accuracy: sparsity x criterion, with and without recovery.

    python benchmarks/pruning_accuracy.py [--images 512] [--accepted] [--criteria LAMP …] [--json]

Weights are chosen and reconstructed on training images, whose labels nobody looks at; right answers
are counted on the 450 test images that the network has not seen. Needs scikit-learn, for the images.

A table of many rows has a best one by luck. So the second table takes, for each pattern, the criterion
that is best on every other test image, and counts the right answers on the rest. Exit code 1 when one
of the patterns that ACCEPTED names loses more than a point there.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
from sklearn.datasets import load_digits

from pyflame_rt import Graph, InferenceSession
from pyflame_rt.pruning import (
    PruningConfig,
    PruningCriterion,
    PruningGranularity,
    WeightPruner,
    record,
    reestimate_batch_norm,
)

FOLDER = Path(__file__).resolve().parent.parent / "examples" / "digits"
POINTS = 1.0

GRANULARITIES = {
    "single": PruningGranularity.UNSTRUCTURED,
    "2:4": PruningGranularity.NM,
    "block 4x4": PruningGranularity.BLOCK,
    "channels": PruningGranularity.STRUCTURED,
}
CASES = (
    ("single", 0.5), ("single", 0.7), ("single", 0.9), ("2:4", 0.5),
    ("block 4x4", 0.3), ("block 4x4", 0.5), ("channels", 0.2), ("channels", 0.3), ("channels", 0.5),
)  # fmt: skip
ACCEPTED = (("single", 0.5), ("2:4", 0.5), ("block 4x4", 0.5), ("channels", 0.3))
CRITERIA = ("MAGNITUDE", "LAMP", "TAYLOR", "WANDA", "SPARSEGPT", "RANDOM")
FOR_CHANNELS = ("MAGNITUDE", "TAYLOR", "WANDA", "RANDOM")


def training_images(count: int) -> np.ndarray:
    """Images that are not among the tested ones."""
    images = (load_digits().images[:, None] / 16).astype(np.float32)
    tested = {image.tobytes() for image in np.load(FOLDER / "test.npz")["images"]}
    return np.stack([image for image in images if image.tobytes() not in tested][:count])


def right(graph: Graph) -> np.ndarray:
    """Which test images a model gets right."""
    test = np.load(FOLDER / "test.npz")
    (logits,) = InferenceSession(graph).run(None, {"images": test["images"]})
    return np.argmax(logits, axis=1) == test["labels"]


def measured(
    graph: Graph, images: np.ndarray, cases: Sequence[tuple[str, float]], criteria: Sequence[str]
) -> Iterator[dict[str, object]]:
    """Each case and criterion."""
    evidence = record(graph, {"images": images})
    for form, sparsity in cases:
        known = FOR_CHANNELS if form == "channels" else CRITERIA
        for criterion in (name for name in known if name in criteria):
            config = PruningConfig(
                target_sparsity=sparsity,
                granularity=GRANULARITIES[form],
                criterion=PruningCriterion[criterion],
            )
            pruner = WeightPruner(config, evidence)
            plain = pruner.prune(graph)
            recovered = pruner.prune(graph, inputs={"images": images})
            yield {
                "form": form, "sparsity": sparsity, "criterion": criterion.lower(),
                "pruned": right(plain),
                "statistics": right(reestimate_batch_norm(plain, {"images": images})),
                "reconstructed": right(recovered),
                "left": pruner.get_stats().after.nonzero / pruner.get_stats().before.nonzero,
            }  # fmt: skip


def judged(
    rows: list[dict[str, object]], case: tuple[str, float], dense: np.ndarray
) -> dict[str, object]:
    """What a pattern loses: chosen on images of even number, counted on those of odd number."""
    tried = [row for row in rows if (row["form"], row["sparsity"]) == case]
    best = max(tried, key=lambda row: row["reconstructed"][::2].sum())
    return {
        "form": case[0], "sparsity": case[1], "criterion": best["criterion"],
        "dense": float(dense[1::2].mean()), "pruned": float(best["reconstructed"][1::2].mean()),
    }  # fmt: skip


def main() -> int:
    """Measure and print; 1 when an accepted pattern loses too much."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--images", type=int, default=512)
    parser.add_argument("--accepted", action="store_true", help="only what the second table has")
    parser.add_argument("--criteria", nargs="+", choices=CRITERIA, default=CRITERIA)
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    graph = InferenceSession(FOLDER / "cnn.onnx").graph()
    dense = right(graph)
    rows: list[dict[str, object]] = []
    if not options.json:
        print(f"dense: {dense.sum()} of {dense.size} right, {dense.mean():.1%}\n")
        print("| pattern | goes | criterion | pruned | statistics anew | reconstructed |")
        print("|---|---|---|---|---|---|")
    cases = ACCEPTED if options.accepted else CASES
    for row in measured(graph, training_images(options.images), cases, options.criteria):
        rows.append(row)
        if not options.json:
            shares = (f"{row[n].mean():.1%}" for n in ("pruned", "statistics", "reconstructed"))
            listed = " | ".join(shares)
            goes = f"{row['sparsity']:.0%}"
            print(f"| {row['form']} | {goes} | {row['criterion']} | {listed} |", flush=True)
    results = [judged(rows, case, dense) for case in ACCEPTED]
    if options.json:
        counted = [{n: int(v.sum()) if isinstance(v, np.ndarray) else v for n, v in row.items()}
                   for row in rows]  # fmt: skip
        print(json.dumps({"dense": int(dense.sum()), "of": dense.size, "rows": counted,
                          "judged": results}, indent=1))  # fmt: skip
    else:
        print(
            "\n| pattern | goes | chosen on one half | dense on the other | pruned | points lost |"
        )
        print("|---|---|---|---|---|---|")
        for found in results:
            lost = 100 * (found["dense"] - found["pruned"])
            print(
                f"| {found['form']} | {found['sparsity']:.0%} | {found['criterion']} | "
                f"{found['dense']:.1%} | {found['pruned']:.1%} | {lost:.1f} |"
            )
    return int(any(100 * (found["dense"] - found["pruned"]) > POINTS for found in results))


if __name__ == "__main__":
    sys.exit(main())
