"""Peak memory and speed of `tocsin classify` over many real headlines: bounded means that more lines need no more.

python -m tests.benchmarks.lines DATA [LINES ...]      (DATA holds uci-news/business.csv.gz)
"""

from __future__ import annotations

import csv
import gzip
import json
import os
import sys
import tempfile
import time
from itertools import cycle, islice
from pathlib import Path


def main(data: Path, sizes: list[int]) -> None:
    with gzip.open(data / "uci-news" / "business.csv.gz", "rt", encoding="utf-8", newline="") as file:
        titles = [row["title"] for row in csv.DictReader(file)]
    for size in sizes:
        with tempfile.TemporaryDirectory() as folder:
            lines, out = Path(folder) / "in.jsonl", Path(folder) / "out.jsonl"
            with lines.open("w", encoding="utf-8") as file:
                file.writelines(
                    json.dumps({"id": n, "text": text}) + "\n" for n, text in islice(enumerate(cycle(titles)), size)
                )
            started = time.monotonic()
            peak_mb = _run([sys.executable, "-m", "monitor.cli", "classify", str(lines), "-o", str(out)])
            took = time.monotonic() - started
            with out.open(encoding="utf-8") as file:
                in_order = [json.loads(line)["id"] for line in file] == list(range(size))
        order = "in order" if in_order else "OUT OF ORDER"
        rate, load = size / took, os.getloadavg()[0]
        print(f"{size:,} lines, {order}: {rate:,.0f} a second with the start, peak {peak_mb:,.0f} MB; load {load:.1f}")


def _run(command: list[str]) -> float:
    """Its peak resident set; only a waited child's own is exact."""
    pid = os.posix_spawn(command[0], command, os.environ)
    _, status, used = os.wait4(pid, 0)
    assert status == 0, f"{command} ended with {status}"
    return used.ru_maxrss / 1024


if __name__ == "__main__":
    main(Path(sys.argv[1]), [int(size) for size in sys.argv[2:]] or [4_000, 100_000])
