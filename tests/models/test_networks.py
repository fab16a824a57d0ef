"""Networks exported by torch, by both of its exporters, agree with onnxruntime."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable, Mapping
from importlib import metadata
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest

import pyflame_rt

ROOT = Path(__file__).resolve().parents[2]
SCRIPT = ROOT / "scripts" / "make_networks.py"
TINY = ROOT / "tests" / "networks"
MANIFEST = json.loads((TINY / "manifest.json").read_text())
EXPORTERS = ("torchscript", "dynamo")
TINY_BYTES = 1_500_000

BINDINGS: dict[str, tuple[dict[str, int], ...]] = {
    "bert_base": (
        {"batch": 1, "sequence": 7},
        {"batch": 3, "sequence": 1},
        {"batch": 2, "sequence": 40},
    ),
    "gpt2": (
        {"batch": 1, "sequence": 5, "past": 0},
        {"batch": 1, "sequence": 1, "past": 9},
        {"batch": 3, "sequence": 4, "past": 1},
    ),
    "lstm_tagger": (
        {"batch": 1, "sequence": 1},
        {"batch": 4, "sequence": 9},
        {"batch": 2, "sequence": 33},
    ),
    "mobilenet_v2": ({"batch": 1}, {"batch": 5}),
    "resnet50": ({"batch": 1}, {"batch": 5}),
    "unet": (
        {"batch": 1, "height": 8, "width": 12},
        {"batch": 2, "height": 20, "width": 4},
    ),
    "vit": ({"batch": 1}, {"batch": 5}),
}

FULL_BINDINGS: dict[str, dict[str, int]] = {
    "resnet50": {"batch": 1},
    "mobilenet_v2": {"batch": 2},
    "vit": {"batch": 1},
    "unet": {"batch": 1, "height": 64, "width": 96},
    "bert_base": {"batch": 2, "sequence": 12},
}


def feed(entry: Mapping[str, Any], dims: Mapping[str, int], seed: int = 0) -> dict[str, Any]:
    """Drawn inputs of a network of the manifest, for these values of its symbols."""
    generator = np.random.default_rng(seed)
    arrays: dict[str, np.ndarray] = {}
    for name, given in entry["inputs"].items():
        shape = [dims[dim] if isinstance(dim, str) else dim for dim in given["shape"]]
        if given["limit"]:
            arrays[name] = generator.integers(given["limit"], size=shape, dtype=given["dtype"])
        else:
            arrays[name] = generator.standard_normal(shape, given["dtype"])
    if "attention_mask" in arrays:
        # A sequence of which nothing is to be seen has no defined answer.
        arrays["attention_mask"][:, 0] = 1
    return arrays


@pytest.mark.parametrize("exporter", EXPORTERS)
@pytest.mark.parametrize("name", BINDINGS)
def test_tiny_networks(
    name: str, exporter: str, agrees: Callable[..., None], oracle: Callable[..., Any]
) -> None:
    """Every way to execute gives onnxruntime's answer for each binding of the symbolic dims."""
    entry = MANIFEST["networks"][name]
    path = TINY / entry["files"][exporter]
    session = oracle(path)
    feeds = [feed(entry, dims) for dims in BINDINGS[name]]
    agrees(path, [(arrays, session.run(None, arrays)) for arrays in feeds])


@pytest.mark.parametrize("exporter", EXPORTERS)
def test_decoding_with_a_growing_cache(
    exporter: str, agreement: Callable[..., None], oracle: Callable[..., Any]
) -> None:
    """A session decodes token by token, each step on the cache that the last one returned."""
    entry = MANIFEST["networks"]["gpt2"]
    path = TINY / entry["files"][exporter]
    ours, theirs = pyflame_rt.InferenceSession(path), oracle(path)
    caches = [name.removeprefix("past.") for name in entry["inputs"] if name.startswith("past.")]
    fed = feed(entry, {"batch": 2, "sequence": 4, "past": 0})
    for step in range(12):
        expected = theirs.run(None, fed)
        actual = ours.run(None, fed)
        agreement(actual, expected, what=f"step {step}")
        by_name = dict(zip(entry["outputs"], actual, strict=True))
        token = expected[0][:, -1].argmax(-1)[:, None]
        fed = {"input_ids": token} | {f"past.{c}": by_name[f"present.{c}"] for c in caches}


@pytest.mark.parametrize("exporter", EXPORTERS)
def test_signatures_in_turn(
    exporter: str, agreement: Callable[..., None], oracle: Callable[..., Any]
) -> None:
    """Lengths that come back move to plans of their own without a change in the answers."""
    entry = MANIFEST["networks"]["bert_base"]
    path = TINY / entry["files"][exporter]
    options = pyflame_rt.SessionOptions()
    options.specialize_after = 2
    ours, theirs = pyflame_rt.InferenceSession(path, options), oracle(path)
    dims = [{"batch": 1, "sequence": length} for length in (3, 8, 3, 8, 5, 3, 8)]
    for seed, binding in enumerate(dims):
        fed = feed(entry, binding, seed)
        agreement(ours.run(None, fed), theirs.run(None, fed), what=str(binding))
        ours.settle()
    assert sum(signature.specialized for signature in ours.signatures()) == 2


def test_committed_files_fit_their_manifest() -> None:
    """The manifest lists all files that there are; their inputs, outputs and symbols are its."""
    files = {
        file: entry for entry in MANIFEST["networks"].values() for file in entry["files"].values()
    }
    assert {path.name for path in TINY.glob("*.onnx")} == set(files)
    assert sum(path.stat().st_size for path in TINY.iterdir()) < TINY_BYTES
    for file, entry in files.items():
        graph = onnx.load(TINY / file).graph
        assert [value.name for value in graph.input] == list(entry["inputs"])
        assert [value.name for value in graph.output] == entry["outputs"]
        for value, given in zip(graph.input, entry["inputs"].values(), strict=True):
            dims = value.type.tensor_type.shape.dim
            symbolic = [isinstance(dim, str) for dim in given["shape"]]
            assert [bool(dim.dim_param) for dim in dims] == symbolic


def test_committed_files_hold_no_paths() -> None:
    """What differs from one machine to the next is not in the files."""
    for path in TINY.iterdir():
        data = path.read_bytes()
        assert str(ROOT).encode() not in data and b"site-packages" not in data


def torch_version() -> str:
    """The version of torch; skips without it. Imported here, torch would slow all later tests."""
    try:
        return metadata.version("torch").partition("+")[0]
    except metadata.PackageNotFoundError:
        pytest.skip("needs torch")


def make(folder: Path, *arguments: str) -> None:
    """Run the script that makes networks, in a process of its own: torch takes half a gigabyte."""
    command = [sys.executable, str(SCRIPT), "--folder", str(folder), *arguments]
    subprocess.run(command, check=True, capture_output=True, text=True)


@pytest.mark.torch
@pytest.mark.slow
def test_script_makes_the_same_bytes_again(tmp_path: Path) -> None:
    """The committed files are what the script makes with the torch that the manifest names."""
    if torch_version() != MANIFEST["torch"]:
        pytest.skip(f"the files were made with torch {MANIFEST['torch']}")
    make(tmp_path, "--exporter", "torchscript")
    for path in tmp_path.glob("*.onnx"):
        assert path.read_bytes() == (TINY / path.name).read_bytes(), path.name


@pytest.mark.torch
@pytest.mark.slow
@pytest.mark.parametrize("name", FULL_BINDINGS)
def test_full_networks(
    name: str, tmp_path: Path, agrees: Callable[..., None], oracle: Callable[..., Any]
) -> None:
    """The networks at the size people use, up to the 440 MB of BERT-base."""
    torch_version()
    make(tmp_path, "--size", "full", "--only", name, "--exporter", "torchscript")
    entry = json.loads((tmp_path / "manifest.json").read_text())["networks"][name]
    path = tmp_path / entry["files"]["torchscript"]
    arrays = feed(entry, FULL_BINDINGS[name])
    expected = oracle(path).run(None, arrays)
    agrees(path, [(arrays, expected)])
    path.unlink()
