"""Time, processor time and peak memory of one call in this process, as the line of JSON that run.py reads."""

import json
import re
import time
from collections.abc import Callable


def measured(work: Callable[[], object], totals: Callable[[object], tuple[int, list]]) -> None:
    began, cpu_began = time.monotonic(), time.process_time()
    result = work()
    seconds, cpu_s = time.monotonic() - began, time.process_time() - cpu_began
    with open("/proc/self/status") as status:
        peak_kb = int(re.search(r"^VmHWM:\s+(\d+) kB", status.read(), re.MULTILINE)[1])
    rows, sums = totals(result)
    figures = {"seconds": seconds, "cpu_s": cpu_s, "peak_memory_bytes": peak_kb * 1024, "rows": rows}
    print(json.dumps(figures | {"sums": [str(value) for value in sums]}))
