"""lit configuration: every test is a shell line over pfrt-opt or pfrt-run, checked by filecheck."""

import os
import sys
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
config.environment["PATH"] = os.pathsep.join(tools)
