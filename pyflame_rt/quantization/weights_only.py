"""Models whose weights alone have few bits."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final, Literal, cast

import ml_dtypes
import numpy as np

from pyflame_rt.errors import ValidationError
from pyflame_rt.graph import Graph
from pyflame_rt.passes.pruning.layers import layers_of
from pyflame_rt.passes.quantization.blocks import BlockRounding
from pyflame_rt.passes.quantization.products import Outcome
from pyflame_rt.passes.quantization.weights_only import make_weights_only
from pyflame_rt.pruning.feeding import Feeds, batches
from pyflame_rt.pruning.recording import grams_of
from pyflame_rt.quantization.preparing import prepared
from pyflame_rt.quantization.quantizer import QuantizationResult, result_of

Method = Literal["nearest", "gptq"]

_INTEGERS: Final[dict[tuple[int, bool], Any]] = {
    (4, True): ml_dtypes.int4,
    (4, False): ml_dtypes.uint4,
    (8, True): np.int8,
    (8, False): np.uint8,
}


def quantize_weights(
    graph: Graph,
    bits: int = 4,
    block_size: int = 32,
    data: Feeds | None = None,
    method: Method = "nearest",
    *,
    symmetric: bool = True,
    exclude: Sequence[str] = (),
) -> QuantizationResult:
    """The graph with weights of 4 or 8 bits, a scale for each `block_size` inputs of an output.

    Data stay floats, so nothing is calibrated. Method "gptq" runs on `data` (a feed, or several)
    and rounds one input after the other, those to come making up for the error; it takes memory for
    inputs^2 of each layer. Not `symmetric`: each block has a zero point. Weights with fewer inputs
    than a block stay. Opset 21 is the first that can hold the result (`export_onnx`).
    Raises ValidationError for wrong arguments, and as runs do.
    """
    if bits not in (4, 8):
        raise ValidationError(f"bits must be 4 or 8, got {bits!r}", where="quantize_weights")
    if not isinstance(cast(object, block_size), int) or block_size < 1:
        raise ValidationError(
            f"block_size must be at least 1, got {block_size!r}", where="quantize_weights"
        )
    if method not in ("nearest", "gptq"):
        raise ValidationError(
            f'method must be "nearest" or "gptq", got {method!r}', where="quantize_weights"
        )
    if method == "gptq" and data is None:
        raise ValidationError('method "gptq" needs data to run on', where="quantize_weights")
    program = prepared(graph)
    reference = program.module.clone()
    grams = None
    if method == "gptq" and data is not None:
        module = program.module
        grams = grams_of(module, layers_of(module), batches(data, "quantize_weights"))
    rounding = BlockRounding(np.dtype(_INTEGERS[bits, bool(symmetric)]), block_size, symmetric)
    outcome = Outcome()
    make_weights_only(program.module, rounding, exclude, outcome, grams)
    return result_of(graph, program, reference, outcome)
