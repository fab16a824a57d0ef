"""Writes the networks of scripts/networks as ONNX files, through both of torch's exporters.

    python scripts/make_networks.py                                  tiny ones, to tests/networks
    python scripts/make_networks.py --size full --folder FOLDER [--only NAME …] [--exporter NAME]

Needs torch, and onnxscript for the exporter on torch.export ("dynamo"). Weights are drawn from a
seed, nothing is downloaded, and one version of torch gives the same bytes every time. Beside the
files a manifest.json says what to feed them: each input's dtype, dimensions and, for integers, the
limit that they lie below; and the range of each symbol (lowest, highest, step).
"""

from __future__ import annotations

import argparse
import importlib
import inspect
import io
import json
import logging
import warnings
from pathlib import Path
from typing import Any, get_args

import onnx
import torch
from networks.network import Network, Size, randomize

NAMES = ("bert_base", "gpt2", "lstm_tagger", "mobilenet_v2", "resnet50", "unet", "vit")
EXPORTERS = ("torchscript", "dynamo")
TINY = Path(__file__).resolve().parent.parent / "tests" / "networks"
SEED = 7
TORCHSCRIPT_OPSET = 14
"""An old one, as most files in the wild have: norms and activations are spelled out."""


def by_torchscript(network: Network, example: tuple[torch.Tensor, ...]) -> onnx.ModelProto:
    """Export by tracing."""
    stream = io.BytesIO()
    shapes = {name: given.shape for name, given in network.inputs.items()} | network.outputs
    torch.onnx.export(
        network.module,
        example,
        stream,
        input_names=list(network.inputs),
        output_names=list(network.outputs),
        dynamic_axes={
            name: {i: dim for i, dim in enumerate(shape) if isinstance(dim, str)}
            for name, shape in shapes.items()
        },
        opset_version=TORCHSCRIPT_OPSET,
        dynamo=False,
    )
    return onnx.load_from_string(stream.getvalue())


def by_dynamo(network: Network, example: tuple[torch.Tensor, ...]) -> onnx.ModelProto:
    """Export through torch.export."""
    dims: dict[str, Any] = {}
    for name, limits in network.dims.items():
        low, high = limits.low // limits.step, limits.high // limits.step
        if limits.step == 1:
            dims[name] = torch.export.Dim(name, min=low, max=high)
        else:
            dims[name] = limits.step * torch.export.Dim(f"{name}_steps", min=low, max=high)
    shapes = [
        {i: dims[dim] for i, dim in enumerate(given.shape) if isinstance(dim, str)}
        for given in network.inputs.values()
    ]
    parameters = inspect.signature(network.module.forward).parameters.values()
    single = sum(parameter.kind is not parameter.VAR_POSITIONAL for parameter in parameters)
    rest = (tuple(shapes[single:]),) if single < len(shapes) else ()
    program = torch.onnx.export(
        network.module,
        example,
        input_names=list(network.inputs),
        output_names=list(network.outputs),
        dynamic_shapes=(*shapes[:single], *rest),
        dynamo=True,
        verbose=False,
    )
    assert program is not None
    return program.model_proto


def check_symbolic(network: Network, model: onnx.ModelProto) -> None:
    """Raise ValueError when an exporter fixed a dimension that should have stayed open."""
    for given, value in zip(network.inputs.values(), model.graph.input, strict=True):
        for dim, proto in zip(given.shape, value.type.tensor_type.shape.dim, strict=True):
            if isinstance(dim, str) != bool(proto.dim_param):
                raise ValueError(f'{value.name}: dimension {dim} came out as "{proto}"')


def strip(model: onnx.ModelProto) -> None:
    """Remove torch's records of itself: lines of code with their paths, sets in any order."""
    for graph in (model.graph, *model.functions):
        del graph.metadata_props[:]
        for node in graph.node:
            node.doc_string = ""
            kept = [entry for entry in node.metadata_props if entry.key == "namespace"]
            del node.metadata_props[:]
            node.metadata_props.extend(kept)


def export(name: str, size: Size, exporter: str) -> tuple[Network, bytes]:
    """A network as its ONNX file's bytes. Raises whatever the exporter raises."""
    network = importlib.import_module(f"networks.{name}").build(size)
    randomize(network.module, SEED)
    generator = torch.Generator().manual_seed(SEED)
    # Not 0 or 1, which torch.export takes for constants, and no two alike.
    dims = {
        dim: limits.low + limits.step * (2 + 2 * i)
        for i, (dim, limits) in enumerate(network.dims.items())
    }
    example = tuple(given.example(dims, generator) for given in network.inputs.values())
    with torch.no_grad():
        model = {"torchscript": by_torchscript, "dynamo": by_dynamo}[exporter](network, example)
    check_symbolic(network, model)
    strip(model)
    return network, model.SerializeToString(deterministic=True)


def entry(network: Network, files: dict[str, str]) -> dict[str, object]:
    """What the manifest says about a network."""
    return {
        "files": files,
        "inputs": {
            name: {
                "dtype": str(given.dtype).removeprefix("torch."),
                "shape": list(given.shape),
                "limit": given.limit,
            }
            for name, given in network.inputs.items()
        },
        "outputs": list(network.outputs),
        "dims": {
            dim: [limits.low, limits.high, limits.step] for dim, limits in network.dims.items()
        },
    }


def main() -> None:
    """Export and write."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--size", choices=get_args(Size), default="tiny")
    parser.add_argument("--folder", type=Path, help="where to (tests/networks for tiny ones)")
    parser.add_argument("--only", nargs="+", choices=NAMES, default=NAMES, metavar="NAME")
    parser.add_argument("--exporter", choices=EXPORTERS, help="only this one")
    args = parser.parse_args()
    warnings.simplefilter("ignore")
    logging.disable(logging.WARNING)
    torch.set_num_threads(1)
    if args.folder is None and args.size == "full":
        parser.error("full-size networks are not for this repository: give --folder")
    folder: Path = args.folder or TINY
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / "manifest.json"
    manifest = json.loads(path.read_text()) if path.exists() else {"networks": {}}
    manifest["torch"] = torch.__version__.partition("+")[0]
    networks = manifest["networks"]
    for name in args.only:
        files = networks.get(name, {}).get("files", {})
        for exporter in (args.exporter,) if args.exporter else EXPORTERS:
            network, data = export(name, args.size, exporter)
            files[exporter] = f"{name}.{exporter}.onnx"
            (folder / files[exporter]).write_bytes(data)
            print(f"{files[exporter]}: {len(data)} bytes")
            networks[name] = entry(network, files)
    path.write_text(json.dumps(manifest, indent=1) + "\n")


if __name__ == "__main__":
    main()
