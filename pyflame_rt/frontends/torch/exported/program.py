"""The program in a `.pt2` archive, read from its JSON: torch's schema 8 of exported programs."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from pyflame_rt.dtypes import DType
from pyflame_rt.errors import UnsupportedFormatError
from pyflame_rt.frontends.torch.exported import expressions
from pyflame_rt.frontends.torch.exported.expressions import Expression
from pyflame_rt.frontends.torch.exported.json_text import Json

MAJOR = 8
MINORS = range(21)
"""Versions of the schema, all of whose changes are known here."""

DTYPES: Mapping[int, DType | None] = {
    1: DType.UInt8,
    2: DType.Int8,
    3: DType.Int16,
    4: DType.Int32,
    5: DType.Int64,
    6: DType.Float16,
    7: DType.Float32,
    8: DType.Float64,
    9: None,
    10: DType.Complex64,
    11: DType.Complex128,
    12: DType.Bool,
    13: DType.BFloat16,
    28: DType.UInt16,
    29: DType.Float8E4M3FN,
    30: DType.Float8E5M2,
    31: DType.Float8E4M3FNUZ,
    32: DType.Float8E5M2FNUZ,
    33: DType.Float8E8M0,
    34: DType.UInt32,
    35: DType.UInt64,
}
"""The schema's own codes of element types; 9, complex of halves, has no arrays."""

STRIDED = 7


@dataclass(frozen=True)
class TensorMeta:
    """What the program says of a tensor."""

    dtype: DType
    sizes: tuple[Expression, ...]
    strides: tuple[Expression, ...]
    offset: Expression

    @staticmethod
    def read(json: Json) -> TensorMeta:
        """A tensor's description, of a dense one."""
        fields = json.fields(
            ("dtype", "sizes", "strides", "storage_offset", "layout"), ("requires_grad", "device")
        )
        if fields["layout"].integer != STRIDED:
            raise json.unsupported("is a tensor that is not dense")
        return TensorMeta(
            dtype(fields["dtype"]),
            tuple(size(item) for item in fields["sizes"].items),
            tuple(size(item) for item in fields["strides"].items),
            size(fields["storage_offset"]),
        )


def dtype(json: Json) -> DType:
    """An element type."""
    code = json.integer
    if code not in DTYPES:
        raise json.fail(f"is {code}, which is no element type")
    found = DTYPES[code]
    if found is None:
        raise json.unsupported(f"is the element type {code}, which is not supported")
    return found


def size(json: Json) -> Expression:
    """A number, or an expression."""
    tag, value = json.union()
    if tag == "as_int":
        return value.integer
    if tag != "as_expr":
        raise json.unsupported(f"is no size but {tag[:32]}")
    text = value.fields(("expr_str",), ("hint",))["expr_str"]
    try:
        return expressions.parse(text.text)
    except ValueError as error:
        raise text.fail(str(error)) from error


@dataclass(frozen=True)
class Named:
    """A reference to a value by its name."""

    name: str


@dataclass(frozen=True)
class Node:
    """An operator of the program."""

    target: str
    inputs: tuple[tuple[str, Json, bool], ...]
    """Name, value, and whether it is given by name."""
    outputs: tuple[Json, ...]
    label: str
    module: str
    """The path of the module that it comes from."""
    line: tuple[str, int] | None
    """The file and line of the source that it comes from."""
    single: bool
    """Whether a higher-order operator gives one tensor, not a list."""


@dataclass(frozen=True)
class Graph:
    """Operators in order."""

    inputs: tuple[Json, ...]
    outputs: tuple[Json, ...]
    nodes: tuple[Node, ...]
    tensors: Mapping[str, TensorMeta]
    numbers: Mapping[str, Expression]
    """Sizes that have names."""

    def walk(self) -> Iterator[Node]:
        """All nodes, those of graphs among their arguments too."""
        for node in self.nodes:
            yield node
            for _, value, _ in node.inputs:
                if value.tag == "as_graph":
                    yield from read_graph_argument(value.union()[1]).walk()


def read_graph_argument(json: Json) -> Graph:
    """A graph among a node's arguments."""
    return read_graph(json.fields(("name", "graph"))["graph"])


def read_graph(json: Json) -> Graph:
    """A graph."""
    fields = json.fields(
        ("inputs", "outputs", "nodes", "tensor_values", "sym_int_values"),
        ("sym_bool_values", "sym_float_values", "is_single_tensor_return", "custom_obj_values"),
    )
    return Graph(
        tuple(fields["inputs"].items),
        tuple(fields["outputs"].items),
        tuple(_node(item, index) for index, item in enumerate(fields["nodes"].items)),
        {name: TensorMeta.read(item) for name, item in fields["tensor_values"].entries},
        {name: size(item) for name, item in fields["sym_int_values"].entries},
    )


def _node(json: Json, index: int) -> Node:
    fields = json.fields(
        ("target", "inputs", "outputs", "metadata"), ("is_hop_single_tensor_return", "name")
    )
    inputs: list[tuple[str, Json, bool]] = []
    for item in fields["inputs"].items:
        row = item.fields(("name", "arg"), ("kind",))
        kind = row["kind"].value if "kind" in row else None
        if kind not in (None, 0, 1, 2):
            raise row["kind"].fail("is no kind of an argument")
        inputs.append((row["name"].name, row["arg"], kind == 2))
    metadata = fields["metadata"].object
    name = fields["name"].value if "name" in fields else None
    label = name if isinstance(name, str) and name else f"node_{index}"
    return Node(
        fields["target"].name,
        tuple(inputs),
        tuple(fields["outputs"].items),
        label[:1024],
        _module(metadata.get("nn_module_stack")),
        _line(metadata.get("stack_trace")),
        "is_hop_single_tensor_return" in fields
        and fields["is_hop_single_tensor_return"].value is True,
    )


def _module(stack: object) -> str:
    """The path of the innermost module of `key,path,class;key,path,class`."""
    if not isinstance(stack, str) or len(stack) > 1 << 16:
        return ""
    parts = stack.rpartition(";")[2].split(",")
    return parts[1][:256] if len(parts) >= 3 else ""


def _line(trace: object) -> tuple[str, int] | None:
    """The last line of a traceback that is not torch's own."""
    if not isinstance(trace, str):
        return None
    found: tuple[str, int] | None = None
    for row in trace[: 1 << 16].splitlines():
        text = row.strip()
        if not text.startswith('File "') or text.startswith('File "<') or "/torch/" in text:
            continue
        path, _, rest = text.removeprefix('File "').partition('", line ')
        number = rest.split(",", 1)[0]
        if number.isascii() and number.isdigit() and len(number) < 8:
            found = path.replace("\\", "/").rpartition("/")[2][:256], int(number)
    return found


@dataclass(frozen=True)
class Program:
    """A program and its signature."""

    graph: Graph
    inputs: tuple[tuple[str, Json], ...]
    """For each input of the graph what it is, and its description."""
    outputs: tuple[tuple[str, Json], ...]
    torch_version: str
    opsets: Mapping[str, int]
    ranges: Mapping[str, tuple[int | None, int | None]]


def read_program(json: Json) -> Program:
    """A program. Raises UnsupportedFormatError for another version of the schema."""
    version = json.object.get("schema_version")
    found = json.at("schema_version", version).fields(("major", "minor"))
    major, minor = found["major"].integer, found["minor"].integer
    if major != MAJOR:
        raise UnsupportedFormatError(
            f"is of schema {major}.{minor}, not {MAJOR}",
            where=json.where,
            hint="export the model with torch 2.9 or later",
        )
    fields = json.fields(
        ("graph_module", "opset_version", "range_constraints", "schema_version"),
        ("verifiers", "torch_version", "guards_code"),
    )
    module = fields["graph_module"].fields(
        ("graph", "signature"), ("module_call_graph", "metadata", "treespec_namedtuple_fields")
    )
    signature = module["signature"].fields(("input_specs", "output_specs"))
    torch_version = fields["torch_version"].name if "torch_version" in fields else ""
    return Program(
        read_graph(module["graph"]),
        tuple(item.union() for item in signature["input_specs"].items),
        tuple(item.union() for item in signature["output_specs"].items),
        torch_version,
        {name: item.integer for name, item in fields["opset_version"].entries},
        {name: _range(item) for name, item in fields["range_constraints"].entries},
    )


def _range(json: Json) -> tuple[int | None, int | None]:
    fields = json.fields((), ("min_val", "max_val"))
    low, high = (
        None if key not in fields or fields[key].value is None else fields[key].integer
        for key in ("min_val", "max_val")
    )
    return low, high
