"""How long `pfrt-opt --version` takes, beside an interpreter that does nothing.

    python benchmarks/startup.py [--rounds 21] [--json]

Both start in turn; the figures are medians over rounds and the spread between the quartiles.
"""

from __future__ import annotations

import argparse
import json
import statistics
import subprocess
import sys
import time

COMMANDS = {
    "python -c pass": (sys.executable, "-c", "pass"),
    "import pyflame_rt": (sys.executable, "-c", "import pyflame_rt"),
    "pfrt-opt --version": (sys.executable, "-m", "pyflame_rt.tools.pfrt_opt", "--version"),
}


def seconds(command: tuple[str, ...]) -> float:
    """Wall time of one process."""
    start = time.perf_counter()
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
    return time.perf_counter() - start


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=21)
    parser.add_argument("--json", action="store_true", help="figures as JSON")
    args = parser.parse_args()
    times: dict[str, list[float]] = {name: [] for name in COMMANDS}
    for _ in range(args.rounds):
        for name, command in COMMANDS.items():
            times[name].append(seconds(command))
    figures = {name: statistics.quantiles(values, n=4) for name, values in times.items()}
    if args.json:
        print(json.dumps({"rounds": args.rounds, "seconds": figures}))
        return
    for name, (low, middle, high) in figures.items():
        print(f"{name:20} {middle:.3f} s   (quartiles {low:.3f} to {high:.3f})")


if __name__ == "__main__":
    main()
