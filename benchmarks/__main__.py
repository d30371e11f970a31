"""Run every benchmark, one after the other."""

import subprocess
import sys

for name in ("ingest", "actions", "load", "lag", "deliveries", "fanout", "vendors", "ranks"):
    print(f"\n== {name}", flush=True)
    subprocess.run([sys.executable, "-m", f"benchmarks.{name}"], check=True)
