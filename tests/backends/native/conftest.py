"""Machine code is made, and kept in a folder of each module's own."""

from __future__ import annotations

from collections.abc import Iterator

import pytest


@pytest.fixture(autouse=True, scope="module")
def _cache(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    patch = pytest.MonkeyPatch()
    patch.setenv("PYFLAME_RT_CACHE", str(tmp_path_factory.mktemp("cache")))
    patch.setenv("PYFLAME_RT_JIT", "1")
    yield
    patch.undo()
