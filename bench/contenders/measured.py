"""Time, processor time and peak memory of one call in this process, as the line of JSON that contest.py reads."""

import json
import re
import resource
import time
from collections.abc import Callable


def cpu_used_s() -> float:
    """Of this process and of those that it started and that have ended."""
    usages = (resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
    return sum(usage.ru_utime + usage.ru_stime for usage in usages)


def measured(work: Callable[[], object], totals: Callable[[object], tuple[int, list]]) -> None:
    began, cpu_began = time.monotonic(), cpu_used_s()
    result = work()
    seconds, cpu_s = time.monotonic() - began, cpu_used_s() - cpu_began
    with open("/proc/self/status") as status:
        peak_kb = int(re.search(r"^VmHWM:\s+(\d+) kB", status.read(), re.MULTILINE)[1])
    rows, sums = totals(result)
    figures = {"seconds": seconds, "cpu_s": cpu_s, "peak_memory_bytes": peak_kb * 1024, "rows": rows}
    print(json.dumps(figures | {"sums": [str(value) for value in sums]}))
