"""`@map`: scalar code for each element of a vector."""

from __future__ import annotations

from typing import Self

from xdsl.dialects.builtin import SymbolRefAttr
from xdsl.ir import Attribute, Block, Region, SSAValue
from xdsl.irdl import irdl_op_definition, operand_def, prop_def, region_def, traits_def
from xdsl.traits import HasParent, IsTerminator, NoTerminator, Pure

from pyflame_rt.dialects.wse.base import ArgumentBody, Scope, WseOp, is_scalar
from pyflame_rt.dialects.wse.dsds import DsrOp, Mem1dDsdOp
from pyflame_rt.dialects.wse.vector import element_type


@irdl_op_definition
class MapOp(WseOp):
    """Runs its region for each element of a vector in memory; a yielded value takes its place.

    The vector is a DSD, which is loaded first, or a DSR of src0 that has been loaded.

    ```mlir
    wse.map @x (%e: f32) {
      wse.fmacs @y, @y, @a, %e : f32
    }
    wse.map @x (%e: f32) {
      %d = arith.addf %e, %e : f32
      wse.yield %d : f32
    }
    ```
    C1: it is a mem1d DSD of the tile, or a DSR of src0. C2: the region takes an element.
    C3: what is yielded is one.
    """

    name = "wse.map"

    vector = prop_def(SymbolRefAttr)
    body = region_def("single_block")

    custom_directives = (ArgumentBody,)
    assembly_format = "$vector attr-dict-with-keyword custom<ArgumentBody>($body)"
    traits = traits_def(NoTerminator())

    def __init__(self, vector: str, body: Region | Block):
        super().__init__(
            properties={"vector": SymbolRefAttr(vector)},
            regions=[body if isinstance(body, Region) else Region(body)],
        )

    @classmethod
    def over(cls, vector: str, kind: Attribute) -> Self:
        """A map with an empty region."""
        return cls(vector, Block(arg_types=[kind]))

    @property
    def element(self) -> SSAValue:
        """The argument that is the element."""
        return self.body.block.args[0]

    @property
    def yielded(self) -> SSAValue | None:
        """The value that takes the element's place, if any."""
        last = self.body.block.last_op
        return last.value if isinstance(last, YieldOp) else None

    def verify_(self) -> None:
        types = [argument.type for argument in self.body.block.args]
        shown = ", ".join(map(str, types))
        self.require("C2", len(types) == 1 and is_scalar(types[0]), f"the region takes ({shown})")
        if self.yielded is not None:
            self.require("C3", self.yielded.type == types[0], f"yields a {self.yielded.type}")

    def check(self, scope: Scope) -> None:
        op = self.found("C1", scope, self.vector, "vector", Mem1dDsdOp, DsrOp)
        if isinstance(op, DsrOp):
            file = op.file.data
            self.require("C1", file == "src0", f"{self.vector} is a DSR of {file}")
            return
        kind = element_type(op, scope)
        self.require("C2", kind == self.element.type, f"elements of {self.vector} are {kind}")


@irdl_op_definition
class YieldOp(WseOp):
    """Ends the region of a map with the value that takes the element's place.

    ```mlir
    wse.yield %v : f32
    ```
    """

    name = "wse.yield"

    value = operand_def()

    assembly_format = "$value attr-dict `:` type($value)"
    traits = traits_def(HasParent(MapOp), IsTerminator(), Pure())

    def __init__(self, value: SSAValue):
        super().__init__(operands=[value])


OPS = (MapOp, YieldOp)
"""The ops of this module."""
