"""Runs the unit tests (GoogleTest binaries) and the system tests (pytest), and counts them.

The last line is `N passed, N failed`. Exit code 0 only if nothing failed, nothing was skipped and
both kinds ran at least one test.
"""

import argparse
import os
import pathlib
import subprocess
import sys
import xml.etree.ElementTree

ROOT = pathlib.Path(__file__).resolve().parent.parent
BUILD = ROOT / "build" / "release"


def count(report: pathlib.Path) -> tuple[int, int, int]:
    """(passed, failed, skipped) of a JUnit file; a missing or broken file is one failure."""
    if not report.exists():
        return 0, 1, 0
    cases = list(xml.etree.ElementTree.parse(report).getroot().iter("testcase"))
    failed = sum(1 for case in cases if case.find("failure") is not None or case.find("error") is not None)
    skipped = sum(1 for case in cases if case.find("skipped") is not None or case.get("status") == "notrun")
    return len(cases) - failed - skipped, failed, skipped


def run(name: str, command: list[str], report: pathlib.Path) -> tuple[int, int, int]:
    report.unlink(missing_ok=True)
    print(f"== {name}", flush=True)
    code = subprocess.run(command, cwd=ROOT, check=False).returncode
    passed, failed, skipped = count(report)
    if code != 0 and failed == 0:
        failed = 1  # it died before or after its last test
    return passed, failed, skipped


def unit_tests(reports: pathlib.Path) -> list[tuple[int, int, int]]:
    results = []
    for binary in sorted((BUILD / "tests").glob("*_test")):
        report = reports / f"{binary.name}.xml"
        results.append(run(binary.name, [str(binary), "--gtest_brief=1", f"--gtest_output=xml:{report}"], report))
    return results


def system_tests(reports: pathlib.Path, arguments: list[str]) -> list[tuple[int, int, int]]:
    report = reports / "system.xml"
    # Two at a time, also on two cores: many tests wait for a broker, a kill or a time limit. A file stays
    # together, since its tests share servers.
    together = ["-n", "2", "--dist", "loadfile"]
    command = [sys.executable, "-m", "pytest", "tests", f"--junit-xml={report}", *together, *arguments]
    return [run("system tests", command, report)]


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--only", choices=["unit", "system"])
    parser.add_argument("pytest_arguments", nargs="*")
    options = parser.parse_args()
    reports = BUILD / "reports"
    reports.mkdir(parents=True, exist_ok=True)
    os.environ.setdefault("PYTHONDONTWRITEBYTECODE", "1")
    kinds = []
    if options.only != "system":
        kinds.append(unit_tests(reports))
    if options.only != "unit":
        kinds.append(system_tests(reports, options.pytest_arguments))
    passed, failed, skipped = (sum(result[i] for kind in kinds for result in kind) for i in range(3))
    if any(sum(result[0] for result in kind) == 0 for kind in kinds):
        print("A kind of tests ran none.")
        failed += 1
    if skipped:
        print(f"{skipped} tests were skipped; a skipped test counts as a failure.")
        failed += skipped
    print(f"{passed} passed, {failed} failed")
    return 0 if failed == 0 else 1


if __name__ == "__main__":
    sys.exit(main())
