"""What pruning costs the digits' network in accuracy: sparsity x criterion, with and without recovery.

    python benchmarks/pruning_accuracy.py [--images 512] [--json]

Weights are chosen and reconstructed on training images, whose labels nobody looks at; right answers
are counted on the 450 test images that the network has not seen. Needs scikit-learn, for the images.
Exit code 1 when one of the patterns that ACCEPTED names loses more than a point for every criterion
but the random one.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Iterator
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
FOR_CHANNELS = ("MAGNITUDE", "RANDOM")


def training_images(count: int) -> np.ndarray:
    """Images that are not among the tested ones."""
    images = (load_digits().images[:, None] / 16).astype(np.float32)
    tested = {image.tobytes() for image in np.load(FOLDER / "test.npz")["images"]}
    return np.stack([image for image in images if image.tobytes() not in tested][:count])


def right(graph: Graph) -> int:
    """How many test images a model gets right."""
    test = np.load(FOLDER / "test.npz")
    (logits,) = InferenceSession(graph).run(None, {"images": test["images"]})
    return int((np.argmax(logits, axis=1) == test["labels"]).sum())


def measured(graph: Graph, images: np.ndarray) -> Iterator[dict[str, object]]:
    """Each case and criterion."""
    evidence = record(graph, {"images": images})
    for form, sparsity in CASES:
        for criterion in FOR_CHANNELS if form == "channels" else CRITERIA:
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


def main() -> int:
    """Measure and print; 1 when an accepted pattern loses too much."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--images", type=int, default=512)
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    graph = InferenceSession(FOLDER / "cnn.onnx").graph()
    total = len(np.load(FOLDER / "test.npz")["labels"])
    dense = right(graph)
    rows: list[dict[str, object]] = []
    if not options.json:
        print(f"dense: {dense} of {total} right, {dense / total:.1%}\n")
        print("| pattern | goes | criterion | pruned | statistics anew | reconstructed |")
        print("|---|---|---|---|---|---|")
    for row in measured(graph, training_images(options.images)):
        rows.append(row)
        if not options.json:
            shares = (f"{row[n] / total:.1%}" for n in ("pruned", "statistics", "reconstructed"))
            listed = " | ".join(shares)
            goes = f"{row['sparsity']:.0%}"
            print(f"| {row['form']} | {goes} | {row['criterion']} | {listed} |", flush=True)
    if options.json:
        print(json.dumps({"dense": dense, "of": total, "rows": rows}, indent=1))
    least = dense - total * POINTS / 100
    for case in ACCEPTED:
        best = max(
            row["reconstructed"]
            for row in rows
            if (row["form"], row["sparsity"]) == case and row["criterion"] != "random"
        )
        if best < least:
            print(f"{case}: {best} of {total} right, wanted {least:.0f}", file=sys.stderr)
            return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
