"""Every table of the detector: real series, simulated surges, budgets, scale. One command, two processes at a time.

python -m tests.benchmarks.alerts

Each part also runs alone (`python -m tests.benchmarks.mentions`, `simulated`, `budget`, `scale`); what it prints comes
whole, when it is done.
"""

from __future__ import annotations

import os
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor, as_completed

PARTS = ("budget rules", "scale", "budget scopes", "simulated", "mentions")
"""The longest first."""
ONE_THREAD = {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}


def run(part: str) -> tuple[str, str, float, int]:
    begin = time.monotonic()
    done = subprocess.run(
        [sys.executable, "-m", *f"tests.benchmarks.{part}".split()],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        env=os.environ | ONE_THREAD,
    )
    return part, done.stdout, time.monotonic() - begin, done.returncode


def main() -> int:
    worst = 0
    with ThreadPoolExecutor(2) as pool:
        for done in as_completed([pool.submit(run, part) for part in PARTS]):
            part, printed, seconds, code = done.result()
            print(f"--- {part} ({seconds:.0f} s{f', failed with {code}' if code else ''})\n{printed}", flush=True)
            worst = max(worst, code)
    return worst


if __name__ == "__main__":
    sys.exit(main())
