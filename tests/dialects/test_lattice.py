"""Types form a lattice: `merge` says what both say of one value, `join` what either of them says."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st
from xdsl.dialects.builtin import f32, i64

from pyflame_rt.dialects.pfrt.containers import MapType, OptionalType, SequenceType, StringType
from pyflame_rt.dialects.pfrt.lattice import compatible, join, merge, widest
from pyflame_rt.dialects.pfrt.types import DYNAMIC, is_value_type, tensor

DIMS = st.lists(st.sampled_from((DYNAMIC, 2, 3)), max_size=2)
TENSORS = st.builds(tensor, st.sampled_from((f32, i64, StringType())), st.none() | DIMS)
MAPS = st.just(MapType(StringType(), f32))
SEQUENCES = st.builds(SequenceType, TENSORS | MAPS)
TYPES = TENSORS | MAPS | SEQUENCES | st.builds(OptionalType, TENSORS | SEQUENCES)


@given(TYPES, TYPES)
def test_merge_and_join_do_not_care_for_order(a, b):
    assert merge(a, b) == merge(b, a)
    assert join(a, b) == join(b, a)


@given(TYPES)
def test_a_type_says_what_it_says(a):
    assert is_value_type(a)
    assert merge(a, a) == join(a, a) == a
    assert join(a, widest(a)) == widest(a)
    assert merge(a, widest(a)) == a


@given(TYPES, TYPES)
def test_what_both_say_implies_what_each_says(a, b):
    """The merged type is under both, the joined one above both."""
    if (both := merge(a, b)) is not None:
        assert join(both, a) == a
        assert join(both, b) == b
    if (either := join(a, b)) is not None:
        assert compatible(either, a)
        assert compatible(either, b)
        assert join(either, a) == either


@given(TYPES, TYPES, TYPES)
def test_join_is_associative(a, b, c):
    left = None if (ab := join(a, b)) is None else join(ab, c)
    right = None if (bc := join(b, c)) is None else join(a, bc)
    assert left == right
