"""Records what torch makes of the files of a corpus that its own records leave out.

    python scripts/record_torch_corpus.py CORPUS [FOLDER]

Writes to FOLDER (tests/frontends/torch): corpus_io.npz, the inputs and outputs of archives called
`more_*.pt` and of `dyn.pt2` by "program|i0", "program|o0", …; and corpus_digests.json, which has for
each file of tensors torch's dtype, the shape and 16 digits of the SHA-256 of the bytes of every
tensor. Needs torch 2.13. Inputs are drawn from fixed seeds. Only give it files that you trust: torch
unpickles them.
"""

import argparse
import hashlib
import json
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import torch

FOLDER = Path(__file__).resolve().parent.parent / "tests" / "frontends" / "torch"
SHAPES = {"more_dynq": (3, 8), "more_quant": (1, 3, 8, 8)}
USUAL = (4, 6)
TENSORS = ("*_sd.pt", "*_sd_legacy.pt", "ckpt_training.pt", "misc.pt", "shared.pt")


def leaves(value: Any) -> list[np.ndarray]:
    """The arrays of a value, numbers and texts being arrays of no dimension."""
    if isinstance(value, dict):
        value = list(value.values())
    if isinstance(value, list | tuple):
        return [leaf for item in value for leaf in leaves(item)]
    if value is None:
        return []
    if not isinstance(value, torch.Tensor):
        return [np.array(str(value) if isinstance(value, torch.device) else value)]
    value = value.detach().resolve_conj().resolve_neg()
    # NumPy has no bfloat16.
    return [(value.float() if value.dtype == torch.bfloat16 else value).numpy().copy()]


def runs(corpus: Path) -> Iterator[tuple[str, Any, tuple[Any, ...]]]:
    """Name, function and arguments of each run."""
    for path in sorted(corpus.glob("more_*.pt")):
        generator = torch.Generator().manual_seed(0)
        x = torch.randn(SHAPES.get(path.stem, USUAL), generator=generator)
        yield path.stem, torch.jit.load(path), (x,)
    program = torch.export.load(corpus / "dyn.pt2").module()
    for name, rows, sign in (("dyn", 4, 1), ("dyn@again", 7, -1)):
        generator = torch.Generator().manual_seed(rows)
        x = torch.randn((rows, 8), generator=generator)
        yield name, program, (x, sign * torch.ones(3))


def tensors(value: Any, way: str = "") -> Iterator[tuple[str, Any]]:
    """The tensors of a checkpoint by the keys that lead to them."""
    if isinstance(value, torch.Tensor):
        yield way, value
    elif isinstance(value, dict | list | tuple):
        rows = value.items() if isinstance(value, dict) else enumerate(value)
        for key, item in rows:
            yield from tensors(item, f"{way}.{key}" if way else str(key))


def digest(value: torch.Tensor) -> list[Any]:
    """What is recorded of a tensor: integers of a quantized one, a sparse one's values."""
    about = [str(value.dtype).removeprefix("torch."), list(value.shape)]
    value = value.detach()
    if value.is_meta:
        return [*about, ""]
    value = value.to_dense() if value.is_sparse else value
    value = value.int_repr() if value.is_quantized else value.resolve_conj().resolve_neg()
    value = value.contiguous().flatten()
    data = value.view(torch.uint8).numpy().tobytes() if value.numel() else b""
    return [*about, hashlib.sha256(data).hexdigest()[:16]]


def main() -> None:
    """Write both records."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("corpus", type=Path)
    parser.add_argument("folder", nargs="?", type=Path, default=FOLDER)
    arguments = parser.parse_args()
    warnings.simplefilter("ignore")
    arrays: dict[str, np.ndarray] = {}
    for name, program, given in runs(arguments.corpus):
        arrays |= {f"{name}|i{i}": array for i, array in enumerate(leaves(given))}
        with torch.no_grad():
            results = leaves(program(*given))
        arrays |= {f"{name}|o{i}": array for i, array in enumerate(results)}
    np.savez_compressed(arguments.folder / "corpus_io.npz", **arrays)
    found = {
        path.name: {
            way: digest(value) for way, value in tensors(torch.load(path, weights_only=False))
        }
        for pattern in TENSORS
        for path in sorted(arguments.corpus.glob(pattern))
    }
    lines = [
        f"  {json.dumps(name)}: {{\n"
        + ",\n".join(f"    {json.dumps(way)}: {json.dumps(row)}" for way, row in rows.items())
        + "\n  }"
        for name, rows in found.items()
    ]
    text = "{\n" + ",\n".join(lines) + "\n}\n"
    (arguments.folder / "corpus_digests.json").write_text(text)


if __name__ == "__main__":
    main()
