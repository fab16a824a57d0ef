"""Transports that stay open for all tests of a process: workers take half a second to start."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from pyflame_rt.partition.transports import Transport, open_transport

DEVICES = 4


@pytest.fixture(scope="session")
def processes() -> Iterator[Transport]:
    """Two processes, which devices of a plan share when there are more."""
    with open_transport("processes", 2) as transport:
        yield transport


@pytest.fixture(scope="session")
def a_process_each() -> Iterator[Transport]:
    """Four processes."""
    with open_transport("processes", DEVICES) as transport:
        yield transport


@pytest.fixture(scope="session")
def threads() -> Iterator[Transport]:
    """Four threads."""
    with open_transport("threads", DEVICES) as transport:
        yield transport


@pytest.fixture(scope="session")
def ray() -> Iterator[Transport]:
    """Four actors of a cluster on this machine."""
    pytest.importorskip("ray", reason="needs Ray")
    with open_transport("ray", DEVICES) as transport:
        yield transport


@pytest.fixture(
    params=[
        "threads",
        "processes",
        pytest.param("ray", marks=[pytest.mark.slow, pytest.mark.ray]),
    ]
)
def transport(request: pytest.FixtureRequest) -> Transport:
    """Each transport."""
    return request.getfixturevalue(request.param)
