"""Measured times of algorithms: a file of them, and which algorithm of an op they speak for.

The file is JSON: machine -> signature of an op -> algorithm -> seconds.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TypeAlias, cast

from xdsl.dialects.builtin import ModuleOp

from pyflame_rt.dialects.pfrt.base import PfrtOp, constant_of
from pyflame_rt.dialects.pfrt.types import is_tensor, static_shape_of
from pyflame_rt.dialects.plan import algorithms
from pyflame_rt.dialects.plan.algorithms import sparse

Row: TypeAlias = dict[str, float]
Rows: TypeAlias = dict[str, Row]

_MARGIN = 0.9
"""What is measured must take at most this part of the cost model's choice to replace it: less is
noise, and a choice that changes from day to day helps nobody."""


def read(path: Path) -> dict[str, Rows]:
    """The times in a file by machine; what is no such entry is left out.

    Raises OSError when the file cannot be read, ValueError when it is not JSON.
    """
    try:
        found: object = json.loads(path.read_bytes())
    except RecursionError as error:
        raise ValueError("nested too deeply") from error
    return {name: _rows(rows) for name, rows in _items(found)}


def signature(op: PfrtOp) -> str:
    """What times depend on of an op: its name, types and parameters, what of it is constant, and how
    much of that is 0 where it matters."""
    given = [
        "none" if value is None else f"{'constant ' * (constant_of(value) is not None)}{value.type}"
        for value in op.operand_slots()
    ]
    if (weight := sparse.weight_of(op)) is not None and weight.sparsity >= sparse.CANDIDATE:
        zeros = f"{weight.sparsity:.2f} zeros, {weight.block_sparsity:.2f} in blocks"
        given[1] = f"{given[1]} of {zeros}"
    params = {name: str(attribute) for name, attribute in op.kernel_properties().items()}
    results = ", ".join(map(str, op.result_types))
    return f"{op.name}({', '.join(given)}) -> {results} {dict(sorted(params.items()))}"


def choices(module: ModuleOp) -> Iterator[tuple[PfrtOp, tuple[str, ...]]]:
    """The ops that several algorithms apply to, with their names. Only of static shapes."""
    for op in module.walk():
        if isinstance(op, PfrtOp) and _is_static(op):
            names = tuple(entry.name for entry in algorithms.candidates(op))
            if len(names) > 1:
                yield op, names


def fastest(op: PfrtOp, row: Mapping[str, float]) -> str:
    """The algorithm of an op that times speak for: the model's choice unless another is faster by
    more than noise."""
    model = algorithms.modelled(op).name
    best = min(row, key=row.__getitem__)
    return best if row[best] <= _MARGIN * row[model] else model


def _is_static(op: PfrtOp) -> bool:
    values = (*op.operands, *op.results)
    return not op.regions and all(
        is_tensor(value.type) and static_shape_of(value) is not None for value in values
    )


def _rows(found: object) -> Rows:
    rows = {key: _row(row) for key, row in _items(found)}
    return {key: row for key, row in rows.items() if row}


def _row(found: object) -> Row:
    seconds = {name: s for name, s in _items(found) if isinstance(s, float) and 0 < s < 1e9}
    return seconds if len(seconds) == len(_items(found)) else {}


def _items(found: object) -> list[tuple[str, object]]:
    return list(cast("dict[str, object]", found).items()) if isinstance(found, dict) else []
