"""Runs the programs of the tests in copies of one process that has imported them.

A test takes half a second to start Python and import the compiler, and a few hundredths for what it is
about. `folder_of_clients` makes programs of the same names, which pass their arguments, folder,
environment and open files to a child of the server, and end as it does.
"""

from __future__ import annotations

import gc
import importlib
import marshal
import os
import pkgutil
import select
import shlex
import signal
import socket
import subprocess
import sys
import tempfile
import traceback
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

PROGRAMS = {
    "filecheck": "filecheck.main",
    "pfrt-opt": "pyflame_rt.tools.pfrt_opt",
    "pfrt-run": "pyflame_rt.tools.pfrt_run",
    "pfrt-wse-bench": "pyflame_rt.tools.pfrt_wse_bench",
}
"""Names, and the modules whose `main` they are."""

IMPORTED = ("pyflame_rt.dialects", "pyflame_rt.passes")
"""Packages whose modules the programs import when they need them."""

# Isolated, and without what is installed: it starts in a few milliseconds.
_CLIENT = f"""\
import _socket, marshal, os, sys
server = _socket.socket(_socket.AF_UNIX, _socket.SOCK_STREAM)
server.connect(sys.argv[1])
files = b"".join(n.to_bytes(4, {sys.byteorder!r}) for n in (0, 1, 2))
server.sendmsg([b"!"], [(_socket.SOL_SOCKET, _socket.SCM_RIGHTS, files)])
server.sendall(marshal.dumps((sys.argv[2:], os.getcwd(), dict(os.environ))))
server.shutdown(_socket.SHUT_WR)
try:
    code = server.recv(1)
except ConnectionError:
    code = b""
if not code:
    os.abort()
sys.exit(code[0])
"""


@contextmanager
def folder_of_clients() -> Iterator[str]:
    """A server, which ends with the context; the folder of the programs that it runs."""
    pipe = subprocess.PIPE
    with tempfile.TemporaryDirectory(prefix="lit_") as folder:
        address, client = os.path.join(folder, "socket"), os.path.join(folder, "client.py")
        Path(client).write_text(_CLIENT)
        for name in PROGRAMS:
            words = shlex.join([sys.executable, "-IS", client, address, name])
            program = Path(folder, name)
            program.write_text(f'#!/bin/sh\nexec {words} "$@"\n')
            program.chmod(0o700)
        # The end of its input ends it too, should this process be killed.
        command = [sys.executable, __file__, address]
        with subprocess.Popen(command, stdin=pipe, stdout=pipe) as server:
            assert server.stdin is not None and server.stdout is not None
            if server.stdout.readline() != b"ready\n":
                raise RuntimeError("the programs cannot be imported by the Python that runs tests")
            try:
                yield folder
            finally:
                server.terminate()


def serve(address: str) -> None:
    """Run what clients ask for until standard input ends."""
    programs = {name: importlib.import_module(module).main for name, module in PROGRAMS.items()}
    for package in map(importlib.import_module, IMPORTED):
        for module in pkgutil.walk_packages(package.__path__, f"{package.__name__}."):
            importlib.import_module(module.name)
    listener = socket.socket(socket.AF_UNIX)
    listener.bind(address)
    listener.listen(64)
    sys.stdout.write("ready\n")
    sys.stdout.flush()
    # Nobody waits for the children.
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)
    gc.freeze()
    while sys.stdin not in select.select([listener, sys.stdin], [], [])[0]:
        client, _ = listener.accept()
        if os.fork() == 0:
            try:
                signal.signal(signal.SIGCHLD, signal.SIG_DFL)
                listener.close()
                _answer(client, programs)
            except BaseException:
                traceback.print_exc()
            # A client that got no answer ends as programs that crash do.
            os._exit(0)
        client.close()


def _answer(client: socket.socket, programs: Mapping[str, Callable[[], object]]) -> None:
    """Be the program that a client asks for, to its end."""
    _, files, _, _ = socket.recv_fds(client, 1, 3)
    for number, file in enumerate(files):
        os.dup2(file, number)
        os.close(file)
    sys.stdin, sys.stdout = os.fdopen(0, closefd=False), os.fdopen(1, "w", closefd=False)
    sys.stderr = os.fdopen(2, "w", 1, errors="backslashreplace", closefd=False)
    request = b"".join(iter(lambda: client.recv(1 << 16), b""))
    sys.argv, folder, environment = marshal.loads(request)
    os.chdir(folder)
    os.environ.clear()
    os.environ.update(environment)
    code = _exit_code(programs[sys.argv[0]])
    sys.stdout.flush()
    sys.stderr.flush()
    client.sendall(bytes([code & 0xFF]))


def _exit_code(program: Callable[[], object]) -> int:
    """How a program ends, as Python tells its parent."""
    try:
        code = program()
    except SystemExit as error:
        code = error.code
    except BaseException:
        traceback.print_exc()
        return 1
    if code is None or isinstance(code, int):
        return code or 0
    sys.stderr.write(f"{code}\n")
    return 1


if __name__ == "__main__":
    serve(sys.argv[1])
