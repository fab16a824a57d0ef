"""What tests of extensions share."""

import pytest

from pyflame_rt import plugins, registrations


@pytest.fixture(autouse=True)
def taken_back():
    """Whatever a test registers is gone after it."""
    before = [plugin["name"] for plugin in plugins.list_plugins()]
    with registrations.recording() as undo:
        yield
        for plugin in reversed(plugins.list_plugins()):
            if plugin["name"] not in before:
                plugins.unload_plugin(plugin["name"])
        registrations.undo_all(undo)
