"""Seeds that torch writes, where it is installed: the same bytes in every process."""

from __future__ import annotations

import io
import warnings
from importlib import import_module
from typing import Any


def archives() -> dict[str, list[bytes]]:
    """Archives by format; none without torch. Importing it takes seconds and half a gigabyte."""
    try:
        torch: Any = import_module("torch")
    except ImportError:
        return {}
    torch.manual_seed(0)
    nn = torch.nn
    conv = nn.Sequential(
        nn.Conv2d(1, 2, 3), nn.BatchNorm2d(2), nn.ReLU(), nn.MaxPool2d(2), nn.Flatten(), nn.Linear(18, 3)
    ).eval()  # fmt: skip
    image = torch.rand(2, 1, 8, 8)
    encoder = nn.TransformerEncoderLayer(8, 2, 16, batch_first=True).eval()
    words = torch.rand(1, 3, 8)
    with warnings.catch_warnings(), torch.no_grad():
        warnings.simplefilter("ignore")
        lstm = nn.LSTM(3, 4, batch_first=True).eval()
        traced = [torch.jit.trace(conv, image), torch.jit.trace(lstm, torch.rand(1, 5, 3))]
        scripted = [torch.jit.script(conv), torch.jit.freeze(torch.jit.script(conv))]
        exported = [torch.export.export(conv, (image,)), torch.export.export(encoder, (words,))]
        return {
            "torchscript": [_saved(torch.jit.save, module) for module in (*traced, *scripted)],
            "pt2": [_saved(torch.export.save, program) for program in exported],
            "pickle": [_saved(torch.save, conv.state_dict())],
            "legacy": [
                _saved(
                    lambda *a: torch.save(*a, _use_new_zipfile_serialization=False),
                    conv.state_dict(),
                )
            ],
        }


def _saved(save: Any, what: Any) -> bytes:
    stream = io.BytesIO()
    save(what, stream)
    return stream.getvalue()
