"""`--load-plugin` of both tools: read first, told in one line."""

from __future__ import annotations

from pathlib import Path

import pytest

from pyflame_rt.tools import pfrt_opt, pfrt_run


@pytest.mark.parametrize("tool", [pfrt_opt, pfrt_run])
@pytest.mark.parametrize(
    ("arguments", "why"),
    [
        (["--load-plugin"], "--load-plugin takes a .py file or a plugin's name"),
        (["--load-plugin="], "--load-plugin takes a .py file or a plugin's name"),
        (["--load-plugin", "nope.py"], "nope.py: no such file; check the path"),
        (["--load-plugin", "nope"], 'plugin "nope": there is no such plugin'),
        (["--load-plugin", "bad.py"], "bad.py:2: ZeroDivisionError: division by zero"),
    ],
)
def test_what_is_wrong_with_it_is_one_line(
    tool, arguments: list[str], why: str, tmp_path: Path, monkeypatch, capfd
):
    monkeypatch.chdir(tmp_path)
    Path("bad.py").write_text("x = 0\n1 / x\n")
    assert tool.main(["model.mlir", *arguments]) in (1, 2)
    error = capfd.readouterr().err
    assert why in error
    assert error.count("\n") == 1


def test_files_after_a_double_dash_are_no_options(tmp_path: Path, monkeypatch, capfd):
    """And a plugin is loaded before the rest of the command line is looked at."""
    monkeypatch.chdir(tmp_path)
    Path("loud.py").write_text("print('loaded')\n")
    pfrt_opt.main(["--no-such-option", "--load-plugin", "loud.py"])
    assert capfd.readouterr().out == "loaded\n"
    pfrt_opt.main(["--", "--load-plugin", "loud.py"])
    assert capfd.readouterr().out == ""
