"""The ONNX frontend: `.onnx` and `.onnxtxt` files to `pfrt` modules.

`loading` brings bytes and their file together, `wire` finds raw tensors in them, `reading` makes a
checked `Model`, `inlining` and `ordering` rewrite it, `importer` builds IR with the rules of `ops`.
"""

from __future__ import annotations

from pyflame_rt.frontends.onnx.importer import import_onnx
from pyflame_rt.frontends.onnx.inspection import Inspection, inspect_onnx

__all__ = ["Inspection", "import_onnx", "inspect_onnx"]
