"""A model format of its own: JSON, with the graph in ONNX's vocabulary and the weights in base64.

pfrt-opt model.onnx --load-plugin examples/extending/json_format.py -o model.json
pfrt-run model.json --load-plugin examples/extending/json_format.py
"""

import base64
import json
from pathlib import Path

import numpy as np

from pyflame_rt import Graph
from pyflame_rt.formats import FormatRegistry, ModelLoader, ModelSaver


class JsonModelLoader(ModelLoader):
    """Reads what JsonModelSaver writes."""

    def extensions(self):
        """Those of its files."""
        return [".json"]

    def load(self, path):
        """The graph in a file."""
        model = json.loads(Path(path).read_text(encoding="utf-8"))
        graph = Graph(model.get("name", "model"))
        for entry in model["inputs"]:
            graph.add_input(entry["name"], entry["shape"], entry["dtype"])
        for entry in model["initializers"]:
            graph.add_initializer(entry["name"], array_of(entry))
        for entry in model["nodes"]:
            graph.add_node(
                entry.get("name", ""),
                entry["op_type"],
                entry["inputs"],
                entry["outputs"],
                **entry.get("attributes", {}),
            )
        for entry in model["outputs"]:
            graph.add_output(entry["name"], entry["shape"], entry["dtype"])
        return graph


class JsonModelSaver(ModelSaver):
    """Writes a graph as JSON; attributes that are tensors cannot be said in it."""

    def default_extension(self):
        """That of its files."""
        return ".json"

    def save(self, graph, path):
        """Write a graph to a file."""
        model = {
            "name": graph.name,
            "inputs": [value_of(info) for info in graph.inputs],
            "outputs": [value_of(info) for info in graph.outputs],
            "initializers": [entry_of(name, a) for name, a in graph.initializers.items()],
            "nodes": [
                {
                    "op_type": node.op_type,
                    "name": node.name,
                    "inputs": node.inputs,
                    "outputs": node.outputs,
                    "attributes": dict(node.attributes),
                }
                for node in graph.nodes
            ],
        }
        Path(path).write_text(json.dumps(model, indent=1), encoding="utf-8")


def value_of(info):
    """An input or output; a dimension is a number, a name, or null."""
    return {"name": info.name, "dtype": info.numpy_dtype.name, "shape": info.dims}


def entry_of(name, array):
    """A weight, its bytes in little-endian order."""
    data = np.ascontiguousarray(array).astype(array.dtype.newbyteorder("<")).tobytes()
    return {
        "name": name,
        "dtype": array.dtype.name,
        "shape": array.shape,
        "data_base64": base64.b64encode(data).decode("ascii"),
    }


def array_of(entry):
    """The weight of an entry, which may also list its elements as `data`."""
    dtype = np.dtype(entry["dtype"])
    if "data" in entry:
        return np.array(entry["data"], dtype).reshape(entry["shape"])
    data = base64.b64decode(entry["data_base64"], validate=True)
    return np.frombuffer(data, dtype.newbyteorder("<")).astype(dtype).reshape(entry["shape"])


FormatRegistry.instance().register_loader(JsonModelLoader())
FormatRegistry.instance().register_saver(JsonModelSaver())
