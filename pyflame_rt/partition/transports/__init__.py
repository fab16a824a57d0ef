"""How stages reach their devices: threads, processes that share memory, or Ray's actors.

`base` says what a transport is, and each module has one; `measuring` what sending takes.
"""

from __future__ import annotations

from pyflame_rt.errors import SettingError
from pyflame_rt.partition.transports.base import Outcome, StageProgram, Transport

__all__ = ["TRANSPORTS", "Outcome", "StageProgram", "Transport", "open_transport"]

TRANSPORTS = ("threads", "processes", "ray")


def open_transport(name: str, workers: int, threads: int = 1) -> Transport:
    """A transport by its name, with so many workers, which may use so many threads each.

    Raises SettingError for a name that is none, BackendError where the machine lacks what it needs.
    """
    match name:
        case "threads":
            from pyflame_rt.partition.transports.threads import ThreadTransport

            return ThreadTransport(workers)
        case "processes":
            from pyflame_rt.partition.transports.processes import ProcessTransport

            return ProcessTransport(workers, threads)
        case "ray":
            from pyflame_rt.partition.transports.ray_actors import RayTransport

            return RayTransport(workers)
        case _:
            raise SettingError(
                f'there is no transport "{name}"', hint=f"they are {', '.join(TRANSPORTS)}"
            )
