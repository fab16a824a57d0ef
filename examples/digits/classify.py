"""Classifies the handwritten digits of test.npz with the session API.

    python examples/digits/classify.py [cnn|mlp]...

prints, for each model, how many of the test images it gets right beside what torch measured when
the model was trained; exits with 1 when they differ.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

import numpy as np

import pyflame_rt as ort

FOLDER = Path(__file__).resolve().parent


def classify(name: str) -> bool:
    """Classify the test set with one model; whether it gets as many right as torch did."""
    test = np.load(FOLDER / "test.npz")
    recorded = json.loads((FOLDER / "accuracy.json").read_text())[name]["correct"]
    session = ort.InferenceSession(FOLDER / f"{name}.onnx")
    (logits,) = session.run(None, {"images": test["images"]})
    right = int((np.argmax(logits, axis=1) == test["labels"]).sum())
    total = len(test["labels"])
    print(f"{name}.onnx: {right} of {total} right ({right / total:.2%}); torch: {recorded}")
    return right == recorded


def main(names: list[str]) -> int:
    """Classify with each model; 1 when one differs from torch."""
    equal = [classify(name) for name in names or ["cnn", "mlp"]]
    return 0 if all(equal) else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
