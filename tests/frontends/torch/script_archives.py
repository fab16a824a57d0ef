"""TorchScript archives written by hand: code as text, and attributes of its modules."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch_bytes as tb

from pyflame_rt import pipelines
from pyflame_rt.backends.reference import ReferenceBackend
from pyflame_rt.compiler import TensorSpec, signature
from pyflame_rt.frontends.torch.script import import_torchscript
from pyflame_rt.limits import DEFAULT_LIMITS, Limits
from pyflame_rt.universe import make_context


@dataclass
class Thing:
    """An object of a class of the archive."""

    name: str
    attributes: Mapping[str, Any] = field(default_factory=dict)


class _Writer:
    def __init__(self) -> None:
        self.storages: dict[str, bytes] = {}

    def value(self, item: Any) -> bytes:
        match item:
            case None:
                return b"N"
            case bool():
                return tb.flag(item)
            case int():
                return tb.integer(item)
            case float():
                return tb.real(item)
            case str():
                return tb.text(item)
            case list():
                return tb.listed(*map(self.value, item))
            case tuple():
                return tb.several(*map(self.value, item))
            case dict():
                return tb.mapping({key: self.value(row) for key, row in item.items()})
            case np.ndarray():
                key = str(len(self.storages))
                self.storages[key] = item.tobytes()
                return tb.dense(item, key)
            case Thing():
                module, _, name = item.name.rpartition(".")
                state = tb.mapping({k: self.value(v) for k, v in item.attributes.items()})
                return tb.name(module, name) + b")\x81" + state + b"b"
            case _:
                raise TypeError(type(item))


def archive(
    code: str | Mapping[str, str],
    attributes: Mapping[str, Any] | None = None,
    constants: Sequence[Any] = (),
) -> bytes:
    """An archive whose module is of class `__torch__.M`; code is a text, or texts by file."""
    files = {"__torch__.py": code} if isinstance(code, str) else code
    writer, held = _Writer(), _Writer()
    root = writer.value(Thing("__torch__.M", {"training": False, **(attributes or {})}))
    members = {"data.pkl": tb.program(root)}
    members |= {f"data/{key}": data for key, data in writer.storages.items()}
    members["constants.pkl"] = tb.program(held.value(tuple(constants)))
    members |= {f"constants/{key}": data for key, data in held.storages.items()}
    entries = [tb.Entry(f"m/{name}", data) for name, data in members.items()]
    entries += [tb.Entry(f"m/code/{name}", text.encode()) for name, text in files.items()]
    return tb.write_zip([*entries, tb.Entry("m/version", b"3\n")])


def model(body: str, parameters: str = "x: Tensor", fields: str = "", more: str = "") -> str:
    """The code of a module whose forward has a body."""
    lines = [f"  {line}" for line in fields.splitlines()]
    lines += [f"  def forward(self: __torch__.M,\n      {parameters}) -> Tensor:"]
    lines += [f"    {line}" for line in body.strip("\n").splitlines()]
    return "class M(Module):\n  training : bool\n" + "\n".join(lines) + "\n" + more


@dataclass(frozen=True)
class Ran:
    """The inputs and outputs of a module, and what it gave."""

    inputs: tuple[TensorSpec, ...]
    outputs: tuple[TensorSpec, ...]
    results: list[Any]
    module: Any


def run(data: bytes, *arrays: Any, limits: Limits = DEFAULT_LIMITS, **options: Any) -> Ran:
    """Import an archive, verify the module and interpret it."""
    module = import_torchscript(data, name="model.pt", limits=limits, **options)
    pipelines.run(make_context(), module, (), verify=True)
    inputs, outputs = signature(module)
    feeds = list(arrays)
    feeds += [spec.default for spec in inputs[len(arrays) :]]
    results = ReferenceBackend().compile(module, "main").run(feeds)
    return Ran(inputs, outputs, results, module)
