"""The vector builtins, one op each, with the names that they have in CSL.

Operands are names of DSDs, which are loaded first, at a cost, into a DSR of their file that has no name,
or of DSRs, in the order dest, src0, src1; then a scalar. `async 3` runs the op in microthread 3 while the
task goes on, with a `priority` of low, normal (as the main thread) or high; at its end it may `activate` a
task or `unblock` it. An op is as long as its destination, or as src0 without one.

C1: it has the operands that the builtin takes. C2: the scalar has the builtin's type. C3: a microthread is
0 to 7, a priority low, normal or high. C4: what it activates is a local task of the tile, what it unblocks
a task; it does one of both. C5: vectors are DSDs that can be read or written, or DSRs of their file;
dfilt's is a fabric input. C6: elements in memory have the builtin's type, words and elements of fifos its
width. C7: its two sources are not of one queue.
"""

from __future__ import annotations

from typing import ClassVar

from xdsl.irdl import irdl_op_definition

from pyflame_rt.dialects.wse.vector import Signature, VectorOp


@irdl_op_definition
class FmacsOp(VectorOp):
    """dest = src0 + src1 * scalar in f32, rounded after the product.

    ```mlir
    wse.fmacs @y, @y, @a, %x async 3 priority high activate @next : f32
    ```
    """

    name = "wse.fmacs"

    SIGNATURE: ClassVar[Signature] = Signature("f32", "f32", "f32", "f32", instead=False)


@irdl_op_definition
class FmachOp(VectorOp):
    """dest = src0 + src1 * scalar in f16, rounded after the sum.

    ```mlir
    wse.fmach @y, @y, @a, %x : f16
    ```
    """

    name = "wse.fmach"

    SIGNATURE: ClassVar[Signature] = Signature("f16", "f16", "f16", "f16", instead=False)


@irdl_op_definition
class FmachsOp(VectorOp):
    """dest = src0 + src1 * scalar: f16 products on an f32 sum.

    ```mlir
    wse.fmachs @y, @y, @a, %x : f16
    ```
    """

    name = "wse.fmachs"

    SIGNATURE: ClassVar[Signature] = Signature("f32", "f32", "f16", "f16", instead=False)


@irdl_op_definition
class FaddsOp(VectorOp):
    """dest = src0 + (src1 or scalar) in f32.

    ```mlir
    wse.fadds @tx, @rx, @own
    ```
    """

    name = "wse.fadds"

    SIGNATURE: ClassVar[Signature] = Signature("f32", "f32", "f32", "f32")


@irdl_op_definition
class FaddhOp(VectorOp):
    """dest = src0 + (src1 or scalar) in f16.

    ```mlir
    wse.faddh @y, @y, @a
    ```
    """

    name = "wse.faddh"

    SIGNATURE: ClassVar[Signature] = Signature("f16", "f16", "f16", "f16")


@irdl_op_definition
class FaddhsOp(VectorOp):
    """dest = src0 + (src1 or scalar): an f16 added to an f32.

    ```mlir
    wse.faddhs @y, @y, @a
    ```
    """

    name = "wse.faddhs"

    SIGNATURE: ClassVar[Signature] = Signature("f32", "f32", "f16", "f16")


@irdl_op_definition
class FsubsOp(VectorOp):
    """dest = src0 - (src1 or scalar) in f32.

    ```mlir
    wse.fsubs @y, @y, @a
    ```
    """

    name = "wse.fsubs"

    SIGNATURE: ClassVar[Signature] = Signature("f32", "f32", "f32", "f32")


@irdl_op_definition
class FsubhOp(VectorOp):
    """dest = src0 - (src1 or scalar) in f16.

    ```mlir
    wse.fsubh @y, @y, @a
    ```
    """

    name = "wse.fsubh"

    SIGNATURE: ClassVar[Signature] = Signature("f16", "f16", "f16", "f16")


@irdl_op_definition
class FmulsOp(VectorOp):
    """dest = src0 * (src1 or scalar) in f32.

    ```mlir
    wse.fmuls @y, @y, %x : f32
    ```
    """

    name = "wse.fmuls"

    SIGNATURE: ClassVar[Signature] = Signature("f32", "f32", "f32", "f32")


@irdl_op_definition
class FmulhOp(VectorOp):
    """dest = src0 * (src1 or scalar) in f16.

    ```mlir
    wse.fmulh @y, @y, %x : f16
    ```
    """

    name = "wse.fmulh"

    SIGNATURE: ClassVar[Signature] = Signature("f16", "f16", "f16", "f16")


@irdl_op_definition
class FmaxsOp(VectorOp):
    """dest = the larger of src0 and (src1 or scalar) in f32.

    ```mlir
    wse.fmaxs @y, @y, %zero : f32
    ```
    """

    name = "wse.fmaxs"

    SIGNATURE: ClassVar[Signature] = Signature("f32", "f32", "f32", "f32")


@irdl_op_definition
class FmaxhOp(VectorOp):
    """dest = the larger of src0 and (src1 or scalar) in f16.

    ```mlir
    wse.fmaxh @y, @y, %zero : f16
    ```
    """

    name = "wse.fmaxh"

    SIGNATURE: ClassVar[Signature] = Signature("f16", "f16", "f16", "f16")


@irdl_op_definition
class FminsOp(VectorOp):
    """dest = the smaller of src0 and (src1 or scalar) in f32.

    ```mlir
    wse.fmins @y, @y, @a
    ```
    """

    name = "wse.fmins"

    SIGNATURE: ClassVar[Signature] = Signature("f32", "f32", "f32", "f32")


@irdl_op_definition
class FminhOp(VectorOp):
    """dest = the smaller of src0 and (src1 or scalar) in f16.

    ```mlir
    wse.fminh @y, @y, @a
    ```
    """

    name = "wse.fminh"

    SIGNATURE: ClassVar[Signature] = Signature("f16", "f16", "f16", "f16")


@irdl_op_definition
class FnegsOp(VectorOp):
    """dest = -(src0 or scalar) in f32.

    ```mlir
    wse.fnegs @y, @a
    ```
    """

    name = "wse.fnegs"

    SIGNATURE: ClassVar[Signature] = Signature("f32", "f32", None, "f32")


@irdl_op_definition
class FneghOp(VectorOp):
    """dest = -(src0 or scalar) in f16.

    ```mlir
    wse.fnegh @y, @a
    ```
    """

    name = "wse.fnegh"

    SIGNATURE: ClassVar[Signature] = Signature("f16", "f16", None, "f16")


@irdl_op_definition
class FmovsOp(VectorOp):
    """dest = src0 or scalar, of f32.

    ```mlir
    wse.fmovs @y, %zero : f32
    ```
    """

    name = "wse.fmovs"

    SIGNATURE: ClassVar[Signature] = Signature("f32", "f32", None, "f32")


@irdl_op_definition
class FmovhOp(VectorOp):
    """dest = src0 or scalar, of f16.

    ```mlir
    wse.fmovh @y, %zero : f16
    ```
    """

    name = "wse.fmovh"

    SIGNATURE: ClassVar[Signature] = Signature("f16", "f16", None, "f16")


@irdl_op_definition
class Mov16Op(VectorOp):
    """dest = src0 or scalar, of any 16-bit type.

    ```mlir
    wse.mov16 @y, @rx
    ```
    """

    name = "wse.mov16"

    SIGNATURE: ClassVar[Signature] = Signature("16", "16", None, "16")


@irdl_op_definition
class Mov32Op(VectorOp):
    """dest = src0 or scalar, of any 32-bit type.

    ```mlir
    wse.mov32 @own, @rx async 0 activate @done
    ```
    """

    name = "wse.mov32"

    SIGNATURE: ClassVar[Signature] = Signature("32", "32", None, "32")


@irdl_op_definition
class Add16Op(VectorOp):
    """dest = src0 + (src1 or scalar) in i16, wrapping.

    ```mlir
    wse.add16 @y, @y, @a
    ```
    """

    name = "wse.add16"

    SIGNATURE: ClassVar[Signature] = Signature("i16", "i16", "i16", "i16")


@irdl_op_definition
class Sub16Op(VectorOp):
    """dest = src0 - (src1 or scalar) in i16, wrapping.

    ```mlir
    wse.sub16 @y, @y, @a
    ```
    """

    name = "wse.sub16"

    SIGNATURE: ClassVar[Signature] = Signature("i16", "i16", "i16", "i16")


@irdl_op_definition
class And16Op(VectorOp):
    """dest = the bits of both src0 and (src1 or scalar), of any 16-bit type.

    ```mlir
    wse.and16 @y, @y, @a
    ```
    """

    name = "wse.and16"

    SIGNATURE: ClassVar[Signature] = Signature("16", "16", "16", "16")


@irdl_op_definition
class Or16Op(VectorOp):
    """dest = the bits of src0 or (src1 or scalar), of any 16-bit type.

    ```mlir
    wse.or16 @y, @y, @a
    ```
    """

    name = "wse.or16"

    SIGNATURE: ClassVar[Signature] = Signature("16", "16", "16", "16")


@irdl_op_definition
class Xor16Op(VectorOp):
    """dest = the bits of one of src0 and (src1 or scalar), of any 16-bit type.

    ```mlir
    wse.xor16 @y, @y, @a
    ```
    """

    name = "wse.xor16"

    SIGNATURE: ClassVar[Signature] = Signature("16", "16", "16", "16")


@irdl_op_definition
class Add32Op(VectorOp):
    """dest = src0 + (src1 or scalar) in i32, wrapping.

    ```mlir
    wse.add32 @y, @y, @a
    ```
    """

    name = "wse.add32"

    SIGNATURE: ClassVar[Signature] = Signature("i32", "i32", "i32", "i32")


@irdl_op_definition
class Fs2hOp(VectorOp):
    """dest (f16) = src0 or scalar (f32), rounded.

    ```mlir
    wse.fs2h @y, @a
    ```
    """

    name = "wse.fs2h"

    SIGNATURE: ClassVar[Signature] = Signature("f16", "f32", None, "f32")


@irdl_op_definition
class Fh2sOp(VectorOp):
    """dest (f32) = src0 or scalar (f16).

    ```mlir
    wse.fh2s @y, @a
    ```
    """

    name = "wse.fh2s"

    SIGNATURE: ClassVar[Signature] = Signature("f32", "f16", None, "f16")


@irdl_op_definition
class DfiltOp(VectorOp):
    """Takes src0's words off the fabric and drops them.

    ```mlir
    wse.dfilt @rx
    ```
    """

    name = "wse.dfilt"

    SIGNATURE: ClassVar[Signature] = Signature(None, "32")


OPS: tuple[type[VectorOp], ...] = (
    FmacsOp,
    FmachOp,
    FmachsOp,
    FaddsOp,
    FaddhOp,
    FaddhsOp,
    FsubsOp,
    FsubhOp,
    FmulsOp,
    FmulhOp,
    FmaxsOp,
    FmaxhOp,
    FminsOp,
    FminhOp,
    FnegsOp,
    FneghOp,
    FmovsOp,
    FmovhOp,
    Mov16Op,
    Mov32Op,
    Add16Op,
    Sub16Op,
    And16Op,
    Or16Op,
    Xor16Op,
    Add32Op,
    Fs2hOp,
    Fh2sOp,
    DfiltOp,
)
"""The ops of this module."""
