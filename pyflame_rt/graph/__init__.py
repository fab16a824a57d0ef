"""Graph and Node: a model as a list of nodes over named values.

`graph` is the documented class, a builder or a view; `view` reads a module, `onnx_form` is what a
builder becomes on its way into IR, `checks` says what is wrong with one.
"""

from __future__ import annotations

from pyflame_rt.graph.graph import Graph
from pyflame_rt.graph.node import Node

__all__ = ["Graph", "Node"]
