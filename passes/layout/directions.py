"""From one layout to another: shapes, axes, and the ops that convert a value."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
from xdsl.ir import Attribute, SSAValue

from pyflame_rt.dialects.pfrt.base import PfrtOp, Shape
from pyflame_rt.dialects.pfrt.layouts import PackChannelsOp, UnpackChannelsOp, blocks_of
from pyflame_rt.dialects.pfrt.shape import ReshapeOp, TransposeOp
from pyflame_rt.dialects.pfrt.types import DYNAMIC, shape_of, tensor, type_of
from pyflame_rt.kernels.layouts import PACK, pack_channels

Array = npt.NDArray[Any]


@dataclass(frozen=True)
class Direction:
    """A change of layout. Values have their source form before, those that convert a target form.

    With p the permutation of a rank: dimension i of the target form is dimension p[i] of the
    source form. "nc4hw4" is no permutation: nothing but shapes is known of it here.
    """

    source: str
    target: str

    @property
    def permutes(self) -> bool:
        """Whether the target form has the same dimensions in another order."""
        return self.target != "nc4hw4"

    def permutation(self, rank: int) -> Shape:
        """p, for a rank of at least 3."""
        spatial = range(1, rank - 1)
        if self.target == "nhwc":
            return (0, *(axis + 1 for axis in spatial), 1)
        return (0, rank - 1, *spatial)

    def inverse(self, rank: int) -> Shape:
        """The permutation that leads back."""
        perm = self.permutation(rank)
        return tuple(perm.index(axis) for axis in range(rank))

    def axis(self, axis: int, rank: int) -> int:
        """Where a dimension of the source form is in the target form."""
        return self.inverse(rank)[axis % rank]

    def shape(self, shape: Shape) -> Shape:
        """The shape of the target form."""
        if self.permutes:
            return tuple(shape[axis] for axis in self.permutation(len(shape)))
        return (shape[0], blocks_of(shape[1]), *shape[2:], PACK)

    def type(self, value: SSAValue) -> Attribute:
        """The type of the target form of a value of known rank."""
        return tensor(type_of(value).element_type, self.shape(shape_of(value) or ()))

    def keeps_order(self, value: SSAValue) -> bool:
        """Whether the elements of both forms lie in the same order: one channel, or no space."""
        shape = shape_of(value)
        if not self.permutes or shape is None:
            return False
        channel = 1 if self.source == "nchw" else len(shape) - 1
        spatial = [dim for axis, dim in enumerate(shape) if axis not in (0, channel)]
        return shape[channel] == 1 or all(dim == 1 for dim in spatial)

    def forth(self, value: SSAValue) -> PfrtOp:
        """The op that makes the target form."""
        if not self.permutes:
            return PackChannelsOp.create_op([value])
        if (reshape := self._reshape(value, self.shape(shape_of(value) or ()))) is not None:
            return reshape
        perm = self.permutation(len(shape_of(value) or ()))
        return TransposeOp.create_op([value], {"perm": perm})

    def back(self, target: SSAValue, like: SSAValue) -> PfrtOp:
        """The op that makes the source form of a target form; `like` has its type."""
        shape: Shape = shape_of(like) or (0, 0)
        if not self.permutes:
            return UnpackChannelsOp.create_op([target], {"channels": shape[1]})
        if self.keeps_order(like) and (op := self._reshape(target, shape, True)) is not None:
            return op
        return TransposeOp.create_op([target], {"perm": self.inverse(len(shape))})

    def _reshape(self, value: SSAValue, shape: Shape, known: bool = False) -> ReshapeOp | None:
        """A reshape in place of a transpose that moves nothing, if its shape can be said."""
        if not (known or self.keeps_order(value)) or DYNAMIC in shape[1:] or 0 in shape:
            return None
        # A 0 copies the batch.
        wanted = (0 if shape[0] == DYNAMIC else shape[0], *shape[1:])
        return ReshapeOp.create_op([value], {"shape": wanted})

    def array(self, array: Array, rank: int) -> Array:
        """The target form of a constant that broadcasts to a rank."""
        whole = array.reshape((1,) * (rank - array.ndim) + array.shape)
        if not self.permutes:
            return pack_channels(whole)
        return np.ascontiguousarray(whole.transpose(self.permutation(rank)))
