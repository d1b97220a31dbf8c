"""Every benchmark of the transport, one after the other.

python benchmarks/transport/all.py [--quick] [--without-others]

With `--quick`, under 3 minutes; without, about 20 minutes. Options go on to each of them.
"""

from __future__ import annotations

import subprocess
import sys
import time

from sides import HERE

PARTS = ("small_items", "arrays", "broadcast", "memory", "latency")


def main() -> None:
    if {"-h", "--help"} & set(sys.argv):
        raise SystemExit(__doc__)
    started_s = time.monotonic()
    failed = []
    for part in PARTS:
        print(f"\n## {part}.py {' '.join(sys.argv[1:])}\n", flush=True)
        if subprocess.run([sys.executable, HERE / f"{part}.py", *sys.argv[1:]]).returncode:
            failed.append(part)
    print(f"\n{time.monotonic() - started_s:.0f} s in all.")
    if failed:
        raise SystemExit(f"failed: {', '.join(failed)}")


if __name__ == "__main__":
    main()
