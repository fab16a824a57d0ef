"""The garbage collector is held back only for as long as asked, whatever happens meanwhile."""

from __future__ import annotations

import gc

import pytest

from pyflame_rt import collecting


def test_it_is_back_after_an_error():
    with pytest.raises(ValueError, match="meanwhile"), collecting.paused():
        assert not gc.isenabled()
        raise ValueError("meanwhile")
    assert gc.isenabled()


def test_pauses_nest():
    with collecting.paused():
        with collecting.paused():
            pass
        assert not gc.isenabled()
    assert gc.isenabled()


def test_a_collector_that_was_off_stays_off():
    gc.disable()
    try:
        with collecting.paused():
            pass
        assert not gc.isenabled()
    finally:
        gc.enable()
