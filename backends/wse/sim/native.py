"""Functions of the kernel that have a shorter form in machine code than the plain one compiles to."""

# pyright: basic
from __future__ import annotations

from typing import Any


def intrinsics() -> dict[str, Any]:
    """By the name of the plain function; needs numba."""
    from llvmlite import ir
    from numba import types
    from numba.extending import intrinsic

    def pointer(context: Any, array: Any) -> Any:
        def code(context: Any, builder: Any, signature: Any, values: Any) -> Any:
            return context.make_array(signature.args[0])(context, builder, values[0]).data

        return types.CPointer(array.dtype)(array), code

    def single(context: Any, S: Any, F: Any, bits: Any) -> Any:
        def code(context: Any, builder: Any, signature: Any, values: Any) -> Any:
            word = values[2]
            if word.type.width > 32:
                word = builder.trunc(word, ir.IntType(32))
            return builder.fpext(builder.bitcast(word, ir.FloatType()), ir.DoubleType())

        return types.float64(S, F, bits), code

    def rounded_bits(context: Any, S: Any, F: Any, value: Any) -> Any:
        def code(context: Any, builder: Any, signature: Any, values: Any) -> Any:
            word = builder.bitcast(builder.fptrunc(values[2], ir.FloatType()), ir.IntType(32))
            return builder.sext(word, ir.IntType(64))

        return types.int64(S, F, types.float64), code

    def lowest(context: Any, bits: Any) -> Any:
        def code(context: Any, builder: Any, signature: Any, values: Any) -> Any:
            word = values[0]
            if word.type.width < 64:
                word = builder.sext(word, ir.IntType(64))
            return builder.cttz(word, ir.Constant(ir.IntType(1), 1))

        return types.int64(bits), code

    return {
        "lowest": intrinsic(lowest),
        "pointer": intrinsic(pointer),
        "single": intrinsic(single),
        "rounded_bits": intrinsic(rounded_bits),
    }
