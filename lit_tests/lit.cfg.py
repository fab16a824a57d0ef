"""lit configuration: every test is a shell line over pfrt-opt or pfrt-run, checked by filecheck.

`lit -D processes=1` starts Python for each of them, as a user does, instead of copies of one process
that has imported everything.
"""

import atexit
import os
import sys
from contextlib import ExitStack
from pathlib import Path

import lit.formats

config = globals()["config"]
config.name = "PyFlameRT"
config.test_format = lit.formats.ShTest(execute_external=False)
config.suffixes = [".mlir", ".onnxtxt"]
config.excludes = ["Inputs", "Output"]
config.test_source_root = os.path.dirname(__file__)

# PATH comes first, so that a development wrapper wins over an installed script.
tools = [os.environ.get("PATH", ""), str(Path(sys.executable).parent)]
if hasattr(os, "fork") and "processes" not in globals()["lit_config"].params:
    sys.path.insert(0, os.path.dirname(__file__))
    import tool_server

    stack = ExitStack()
    atexit.register(stack.close)
    tools.insert(0, stack.enter_context(tool_server.folder_of_clients()))
config.environment["PATH"] = os.pathsep.join(tools)
