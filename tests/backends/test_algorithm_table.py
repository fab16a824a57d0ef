"""The table of algorithms and the NumPy backend's implementations say the same."""

from __future__ import annotations

from pyflame_rt import kernels
from pyflame_rt.backends.numpy_backend.algorithms import table
from pyflame_rt.backends.numpy_backend.calls import by_kernel
from pyflame_rt.dialects.pfrt import operations
from pyflame_rt.dialects.plan.algorithms import ALGORITHMS


def test_every_algorithm_is_implemented_and_no_other():
    """A name that only one side knows would silently run a kernel, or never be chosen."""
    assert table().keys() == ALGORITHMS.keys()


def test_late_and_bound_agree():
    """A bound implementation of a late algorithm would meet buffers that it cannot have."""
    late = {name: implementation.late for name, implementation in table().items()}
    assert late == {name: algorithm.late for name, algorithm in ALGORITHMS.items()}


def test_params_are_the_properties_of_the_op():
    """One that is missing would send every call to the kernel, one too many would be ignored."""
    for name, implementation in table().items():
        if implementation.prepare is by_kernel:
            continue
        properties = operations()[ALGORITHMS[name].op].get_irdl_definition().properties
        own = {n for n in properties if n != "names" and not n.endswith("SegmentSizes")}
        assert implementation.params == own, name


def test_every_algorithm_has_a_kernel_to_fall_back_on():
    """The kernel runs where the short form does not hold."""
    for algorithm in ALGORITHMS.values():
        assert algorithm.op.removeprefix("pfrt.") in kernels.table()
