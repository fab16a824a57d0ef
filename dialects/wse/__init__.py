"""The wse dialect: programs for a wafer-scale engine, in CSL's own terms.

A program is a rectangle of processing elements (PEs) with colours, their routes, and tiles placed on
parts of it. A tile has parameters, buffers and variables, queues and DSDs, and tasks. State has names;
scalars are SSA values of `arith`, `scf`, `math` and `memref`; vectors are DSDs, by name.
"""

from __future__ import annotations

from xdsl.ir import Dialect


def get_wse() -> Dialect:
    """The dialect object."""
    from pyflame_rt.dialects.wse import (
        builtins,
        dsds,
        host,
        mapping,
        maps,
        program,
        queues,
        scalars,
        tasks,
        tile,
    )
    from pyflame_rt.dialects.wse.attributes import ATTRIBUTES

    modules = (program, tile, queues, dsds, tasks, builtins, maps, scalars, host)
    return Dialect(
        "wse", [op for module in modules for op in module.OPS], [*ATTRIBUTES, *mapping.ATTRIBUTES]
    )
