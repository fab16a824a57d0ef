"""The names that a pickle of torch may mention, and what each stands for: never anything to call.

`resolve` turns a name into an inert token of the allow-list. A REDUCE on a token is a function
of this file that checks its arguments and builds a record; everything else is refused.
"""

from __future__ import annotations

import re
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from functools import cache
from typing import TypeAlias, cast

from pyflame_rt.errors import InvalidModelError
from pyflame_rt.frontends.torch.storage import (
    UNREADABLE_DTYPES,
    Budget,
    Quantizer,
    SparseRecord,
    Storage,
    TensorRecord,
    TorchDType,
    is_sizes,
    storage_types,
    torch_dtypes,
    window,
)

Args: TypeAlias = tuple[object, ...]
Dict: TypeAlias = dict[object, object]
List: TypeAlias = list[object]

_QUALIFIED = re.compile(r"__torch__(\.[A-Za-z0-9_]+)*", re.ASCII)
_NAME = re.compile(r"[A-Za-z0-9_]+", re.ASCII)
_SAVE_WEIGHTS = (
    "save the weights alone, torch.save(model.state_dict(), path), or export the model as "
    "TorchScript or .pt2"
)


@dataclass(eq=False)
class ObjectRecord:
    """An object of a TorchScript class, compared by identity; `state` is what BUILD gave it.

    `state` is a dict of attributes, or whatever the class's `__setstate__` takes.
    """

    qualified_name: str
    state: object = field(default=None, repr=False)
    is_built: bool = field(default=False, repr=False)


@dataclass(frozen=True)
class ClassRecord:
    """A class of a TorchScript archive, by its name in the archive's code."""

    qualified_name: str


@dataclass(frozen=True, eq=False)
class EnumRecord:
    """A member of an enum of a TorchScript archive, by its value."""

    qualified_name: str
    value: object


@dataclass(frozen=True)
class DeviceRecord:
    """Where a tensor was: `cpu`, `cuda` and its number."""

    kind: str
    index: int | None = None


@dataclass(frozen=True)
class MetaRecord:
    """A tensor of the meta device, which has no values."""

    dtype: TorchDType
    sizes: tuple[int, ...]


@dataclass(frozen=True)
class OpaqueRecord:
    """A value of a checkpoint that is not read: a NumPy value, a set, parsed arguments."""

    kind: str


@dataclass(frozen=True)
class StorageType:
    """A storage class; `dtype` is None for bytes."""

    name: str
    dtype: TorchDType | None


@dataclass(frozen=True)
class Constant:
    """A constant of torch by its name: a quantization scheme, a layout, a tensor class."""

    kind: str
    name: str


@dataclass(frozen=True)
class OpaqueType:
    """A class or function of the allow-list whose values become `OpaqueRecord`s."""

    kind: str


@dataclass
class Context:
    """What building records needs: where the machine is, and what tensors may come to."""

    where: Callable[[], str]
    budget: Budget

    def invalid(self, why: str, hint: str | None = None) -> InvalidModelError:
        """An error about the pickle."""
        return InvalidModelError(why, where=self.where(), hint=hint)


@dataclass(frozen=True)
class Function:
    """A function of the allow-list: how its arguments become a record."""

    name: str
    build: Callable[[Args, Context], object]


def resolve(module: str, name: str, context: Context, *, classes: bool) -> object:
    """The token of a global; `classes` says that this is a TorchScript archive.

    Raises InvalidModelError for a name that is not in the allow-list.
    """
    if classes and _QUALIFIED.fullmatch(module) and _NAME.fullmatch(name):
        return ClassRecord(f"{module}.{name}")
    token = allowed().get(f"{module} {name}")
    if token is not None and not (classes and isinstance(token, OpaqueType)):
        return token
    shown = f"{module[:64]!a}"[1:-1] + "." + f"{name[:64]!a}"[1:-1]
    if module == "torch" and (name in UNREADABLE_DTYPES or name.endswith("Storage")):
        raise context.invalid(f"{shown} is not an element type that can be read")
    if module == "__torch__" or module.startswith("__torch__."):
        raise context.invalid(f"{shown} is a class of a TorchScript archive, and this is none")
    raise context.invalid(
        f'the file wants "{shown}", and files of models run no code', hint=_SAVE_WEIGHTS
    )


@cache
def allowed() -> dict[str, object]:
    """The allow-list: `module name` as pickles spell it -> token."""
    table: dict[str, object] = {
        f"{module} {name}": Function(name, build)
        for module, functions in _FUNCTIONS.items()
        for name, build in functions.items()
    }
    table |= {f"torch {name}": StorageType(name, dtype) for name, dtype in storage_types().items()}
    table["torch.storage UntypedStorage"] = StorageType("UntypedStorage", None)
    table |= {f"torch {name}": dtype for name, dtype in torch_dtypes().items()}
    table |= {f"torch {name}": Constant("scheme", name) for name in _SCHEMES}
    table |= {text: Constant("class", text.split()[1]) for text in _TENSOR_CLASSES}
    return table | {text: OpaqueType(kind) for text, kind in _OPAQUE.items()}


_PER_TENSOR = frozenset({"per_tensor_affine", "per_tensor_symmetric"})
_PER_CHANNEL = frozenset(
    {"per_channel_affine", "per_channel_symmetric", "per_channel_affine_float_qparams"}
)
_SCHEMES = _PER_TENSOR | _PER_CHANNEL
_TENSOR_CLASSES = ("torch Tensor", "torch.nn.parameter Parameter", "torch.nn.parameter Buffer")

# What training checkpoints keep beside their tensors. Nothing of it is made or read.
_OPAQUE = {
    f"{module} {name}": kind
    for kind, modules, names in (
        ("NumPy value", ("numpy",), ("dtype", "ndarray")),
        (
            "NumPy value",
            ("numpy.core.multiarray", "numpy._core.multiarray"),
            ("scalar", "_reconstruct"),
        ),
        ("set", ("builtins", "__builtin__"), ("set", "frozenset")),
        ("Counter", ("collections",), ("Counter",)),
        ("Namespace", ("argparse",), ("Namespace",)),
    )
    for module in modules
    for name in names
}


def _tensor(args: Args, context: Context) -> TensorRecord:
    """_rebuild_tensor(storage, offset, size, stride)."""
    storage, offset, sizes, strides = _arguments(args, 4, 4, context)
    if not isinstance(storage, Storage) or storage.dtype is None:
        raise context.invalid("a tensor is rebuilt without a storage of its element type")
    return window(storage, storage.dtype, offset, sizes, strides, context.budget)


def _tensor_v2(args: Args, context: Context) -> TensorRecord:
    """_rebuild_tensor_v2(…, requires_grad, backward_hooks, metadata=None); hooks are ignored."""
    _arguments(args, 6, 7, context)
    return _marked(_tensor(args[:4], context), args[4], args[6:], context)


def _tensor_v3(args: Args, context: Context) -> TensorRecord:
    """_rebuild_tensor_v3(…, requires_grad, backward_hooks, dtype, metadata=None)."""
    storage, offset, sizes, strides, grad, _, dtype, *metadata = _arguments(args, 7, 8, context)
    if not isinstance(storage, Storage) or not isinstance(dtype, TorchDType):
        raise context.invalid("a tensor is rebuilt without a storage and an element type")
    record = window(storage, dtype, offset, sizes, strides, context.budget)
    return _marked(record, grad, tuple(metadata), context)


def _marked(record: TensorRecord, grad: object, metadata: Args, context: Context) -> TensorRecord:
    """A record with its flags: requires_grad, and lazy conjugation and negation."""
    if type(grad) is not bool:
        raise context.invalid("requires_grad of a tensor is not a bool")
    flags = metadata[0] if metadata else None
    if flags is None:
        return replace(record, requires_grad=grad)
    if type(flags) is not dict:
        raise context.invalid("the metadata of a tensor is not a dict")
    known = cast(Dict, flags)
    if known.keys() - {"conj", "neg"} or not all(type(v) is bool for v in known.values()):
        raise context.invalid("the metadata of a tensor says more than conj and neg")
    return replace(
        record,
        requires_grad=grad,
        conjugated=bool(known.get("conj")) and record.dtype.numpy.kind == "c",
        negated=bool(known.get("neg")),
    )


def _quantized(args: Args, context: Context) -> TensorRecord:
    """_rebuild_qtensor(storage, offset, size, stride, quantizer, requires_grad, hooks)."""
    _arguments(args, 7, 7, context)
    record = _tensor(args[:4], context)
    if not record.dtype.is_quantized:
        raise context.invalid(f"a quantized tensor has elements of {record.dtype.name}")
    return replace(record, quantizer=_quantizer(args[4], record, context))


def _quantizer(value: object, record: TensorRecord, context: Context) -> Quantizer:
    """(per_tensor_affine, scale, zero) or (per_channel_affine, scales, zeros, axis)."""
    items = cast(Args, value) if type(value) is tuple else ()
    scheme = items[0] if items else None
    name = scheme.name if isinstance(scheme, Constant) else ""
    if name in _PER_TENSOR and len(items) == 3:
        _, scale, zero = items
        if type(scale) is float and type(zero) is int and -(2**31) <= zero < 2**31:
            return Quantizer(scale, zero)
    if name in _PER_CHANNEL and len(items) == 4:
        _, scales, zeros, axis = items
        if type(axis) is int and 0 <= axis < len(record.sizes):
            length = (record.sizes[axis],)
            if _is_vector(scales, length, "f") and _is_vector(zeros, length, "fi"):
                return Quantizer(cast(TensorRecord, scales), cast(TensorRecord, zeros), axis)
    raise context.invalid(f"the quantizer of a tensor of sizes {list(record.sizes)} is malformed")


def _is_vector(value: object, sizes: tuple[int, ...], kinds: str) -> bool:
    if not isinstance(value, TensorRecord) or value.quantizer is not None:
        return False
    return value.sizes == sizes and value.dtype.numpy.kind in kinds


def _sparse(args: Args, context: Context) -> SparseRecord:
    """_rebuild_sparse_tensor(layout, (indices, values, size[, is_coalesced]))."""
    layout, data = _arguments(args, 2, 2, context)
    if layout != Constant("layout", "torch.sparse_coo"):
        raise context.invalid(
            "a sparse tensor is not of layout sparse_coo",
            hint="save it with to_dense() or to_sparse_coo()",
        )
    parts = cast(Args, data) if type(data) is tuple else ()
    indices, elements, sizes, *_ = _arguments(parts, 3, 4, context)
    if not isinstance(indices, TensorRecord) or not isinstance(elements, TensorRecord):
        raise context.invalid("a sparse tensor has no indices and values")
    if not is_sizes(sizes, context.budget.limits.tensor_rank):
        raise context.invalid("the sizes of a sparse tensor are malformed")
    rows = indices.sizes[0] if len(indices.sizes) == 2 else len(sizes) + 1
    fits = rows <= len(sizes) and elements.sizes == (indices.sizes[1], *sizes[rows:])
    if indices.dtype.name != "int64" or elements.quantizer is not None or not fits:
        raise context.invalid(
            f"a sparse tensor of sizes {list(sizes)} has indices {list(indices.sizes)} "
            f"and values {list(elements.sizes)}"
        )
    context.budget.view(sizes, elements.dtype.numpy.itemsize)
    return SparseRecord(indices, elements, sizes)


def _parameter(args: Args, context: Context) -> object:
    """_rebuild_parameter(data, requires_grad, hooks[, state]): the tensor itself."""
    data, grad, *_ = _arguments(args, 3, 4, context)
    if isinstance(data, TensorRecord) and type(grad) is bool:
        return replace(data, requires_grad=grad)
    if isinstance(data, (MetaRecord, SparseRecord)):
        return data
    raise context.invalid("a parameter has no tensor")


def _from_type(args: Args, context: Context) -> object:
    """_rebuild_from_type_v2(function, class, arguments, state): a tensor with attributes."""
    function, kind, arguments, _ = _arguments(args, 4, 4, context)
    if not isinstance(function, Function) or not function.name.startswith("_rebuild_"):
        raise context.invalid("a tensor is rebuilt by something that rebuilds none")
    if function.name == "_rebuild_from_type_v2" or type(arguments) is not tuple:
        raise context.invalid("a tensor is rebuilt of malformed arguments")
    if not isinstance(kind, Constant) or kind.kind != "class":
        raise context.invalid("a tensor is of a class that is neither Tensor nor Parameter")
    return function.build(cast(Args, arguments), context)


def _meta(args: Args, context: Context) -> MetaRecord:
    """_rebuild_meta_tensor_no_storage(dtype, size, stride, requires_grad)."""
    dtype, sizes, *_ = _arguments(args, 4, 4, context)
    if not isinstance(dtype, TorchDType) or not is_sizes(sizes):
        raise context.invalid("a meta tensor is malformed")
    return MetaRecord(dtype, sizes)


def _ordered_dict(args: Args, context: Context) -> object:
    """OrderedDict(), or of pairs as Python 2 wrote it."""
    result: Dict = OrderedDict()
    for pairs in _arguments(args, 0, 1, context):
        if type(pairs) is not list:
            raise context.invalid("an OrderedDict is made of something that is not a list")
        _add_pairs(result, cast(List, pairs), context)
    return result


def _add_pairs(result: Dict, pairs: List, context: Context) -> None:
    for pair in pairs:
        if type(pair) not in (list, tuple) or len(cast(Args, pair)) != 2:
            raise context.invalid("an OrderedDict is made of something that is not a pair")
        key, value = cast(Args, pair)
        result[dict_key(key, context)] = value


def dict_key(key: object, context: Context) -> object:
    """A key of a dict, when it is of a type whose hashes a file cannot make collide or recurse.

    Raises InvalidModelError.
    """
    kind = type(key)
    if kind is str or kind in (bool, bytes, float, type(None), TensorRecord, EnumRecord):
        return key
    if kind is int and -(2**63) <= cast(int, key) < 2**63:
        return key
    raise context.invalid(f"a dict has a key of type {kind.__name__}")


def _size(args: Args, context: Context) -> tuple[int, ...]:
    """torch.Size((2, 3)): the tuple."""
    (sizes,) = _arguments(args, 1, 1, context)
    if not is_sizes(sizes):
        raise context.invalid("a torch.Size is not of sizes")
    return sizes


def _device(args: Args, context: Context) -> DeviceRecord:
    """torch.device("cuda", 0)."""
    kind, *index = _arguments(args, 1, 2, context)
    if type(kind) is not str or not all(type(i) is int for i in index):
        raise context.invalid("a torch.device is malformed")
    return DeviceRecord(kind, *cast("list[int]", index))


def _layout(args: Args, context: Context) -> Constant:
    """_get_layout("torch.sparse_coo")."""
    (name,) = _arguments(args, 1, 1, context)
    if type(name) is not str:
        raise context.invalid("a layout has no name")
    return Constant("layout", name)


def _complex(args: Args, context: Context) -> complex:
    real, imaginary = _arguments(args, 2, 2, context)
    if type(real) is not float or type(imaginary) is not float:
        raise context.invalid("a complex number is not of two floats")
    return complex(real, imaginary)


def _bytes(args: Args, context: Context) -> bytes:
    """bytes(): how protocol 2 spells empty bytes."""
    _arguments(args, 0, 0, context)
    return b""


def _encode(args: Args, context: Context) -> bytes:
    """_codecs.encode(text, "latin1"): how protocol 2 spells bytes."""
    text, codec = _arguments(args, 2, 2, context)
    if type(text) is not str or codec != "latin1":
        raise context.invalid("bytes are not spelled in latin1")
    try:
        return text.encode("latin1")
    except UnicodeEncodeError as error:
        raise context.invalid("bytes are spelled with characters above 255") from error


def _typed_list(args: Args, context: Context) -> object:
    """build_intlist([1, 2]) and its like: the list."""
    (items,) = _arguments(args, 1, 1, context)
    if type(items) is not list:
        raise context.invalid("a typed list is not of a list")
    return cast(List, items)


def _tagged(args: Args, context: Context) -> object:
    """restore_type_tag(value, "List[int]"): the value."""
    value, tag = _arguments(args, 2, 2, context)
    if type(tag) is not str:
        raise context.invalid("a type tag is not a text")
    return value


def _arguments(args: Args, least: int, most: int, context: Context) -> Args:
    if not least <= len(args) <= most:
        raise context.invalid(f"{len(args)} arguments where {least} to {most} belong")
    return args


_FUNCTIONS: dict[str, dict[str, Callable[[Args, Context], object]]] = {
    "torch._utils": {
        "_rebuild_tensor": _tensor,
        "_rebuild_tensor_v2": _tensor_v2,
        "_rebuild_tensor_v3": _tensor_v3,
        "_rebuild_qtensor": _quantized,
        "_rebuild_sparse_tensor": _sparse,
        "_rebuild_parameter": _parameter,
        "_rebuild_parameter_with_state": _parameter,
        "_rebuild_meta_tensor_no_storage": _meta,
    },
    "torch._tensor": {"_rebuild_from_type_v2": _from_type},
    "torch.serialization": {"_get_layout": _layout},
    "torch": {"Size": _size, "device": _device},
    "torch.jit._pickle": {
        "build_intlist": _typed_list,
        "build_doublelist": _typed_list,
        "build_boollist": _typed_list,
        "build_tensorlist": _typed_list,
        "restore_type_tag": _tagged,
    },
    "collections": {"OrderedDict": _ordered_dict},
    "_codecs": {"encode": _encode},
    "builtins": {"complex": _complex, "bytes": _bytes},
    "__builtin__": {"complex": _complex, "bytes": _bytes},
}
