"""Does the app start without a network, and does it ask for one? Every system call that sends anything is looked at.

    python benchmarks/starts.py [--starts 20]

For Linux with strace, unshare and ip. Starts the app again and again in a network that has nothing but the loopback, each
time until it has given a picture, with the Hub not switched off; then a few times with the network there is, to compare.
"""

from __future__ import annotations

import argparse
import re
import shlex
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from benchmarks.client import call, fetch
from ganji.png_recipe import extract
from tests.app_process import running_app

TO_COMPARE = 3
SEED = 7
STRACE = "strace -f -qq --seccomp-bpf -e trace=connect,sendto,sendmsg,sendmmsg -o"
ADDRESS = re.compile(r'inet_addr\("([^"]+)"\)|inet_pton\(AF_INET6, "([^"]+)"')


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--starts", type=int, default=20)
    parser.add_argument("--inside", action="store_true", help="only start, and print the seconds of each")
    args = parser.parse_args()
    if args.inside:
        for _ in range(args.starts):
            print(start(), flush=True)
        return 0
    with tempfile.TemporaryDirectory() as folder:
        trace = Path(folder) / "trace"
        alone, usual = seconds_of(args.starts, trace), seconds_of(TO_COMPARE)
        asked = list(addresses(trace))
    foreign = [address for address in asked if not address.startswith("127.") and address != "::1"]
    print(f"{len(alone)} of {args.starts} starts without a network: median {statistics.median(alone):.1f} s, "
          f"max {max(alone):.1f} s; {len(usual)} with one: median {statistics.median(usual):.1f} s")  # fmt: skip
    print(f"{len(asked)} addresses asked for, beyond the loopback {len(foreign)}: {sorted(set(foreign))}")
    return bool(foreign or not asked or len(alone) < args.starts)


def start() -> float:
    """Seconds from the call of Python to the first picture."""
    begin = time.perf_counter()
    with tempfile.TemporaryDirectory() as folder, running_app(folder, variables={"HF_HUB_OFFLINE": "0"}) as app:
        recipe = extract(fetch(app.url, call(app.url, "generate", [SEED, 1, 0.7])))
        seconds = time.perf_counter() - begin
    if recipe.seed != SEED:
        raise SystemExit(f"the picture of {recipe.seed} came for {SEED}")
    return seconds


def seconds_of(starts: int, trace: Path | None = None) -> list[float]:
    """Of so many starts in a process of their own.

    Args:
        trace: cut it off from the network, and write its system calls here.
    """
    command = shlex.join([sys.executable, __file__, "--inside", "--starts", str(starts)])
    if trace:
        inner = f"ip link set lo up && exec {STRACE} {shlex.quote(str(trace))} {command}"
        command = shlex.join(["unshare", "--map-root-user", "--net", "sh", "-c", inner])
    done = subprocess.run(["sh", "-c", command], stdout=subprocess.PIPE, text=True, check=True)
    return [float(line) for line in done.stdout.split()]


def addresses(trace: Path) -> Iterator[str]:
    """All that anything was sent to, a call at a time."""
    for found in ADDRESS.finditer(trace.read_text(errors="replace")):
        yield found[1] or found[2]


if __name__ == "__main__":
    raise SystemExit(main())
