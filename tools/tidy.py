"""Style as a test: what a compiler does not check about this tree. Prints each finding; exit 1 if any.

Checks: include directions against the DEPS of each room, reconcile's independence, sizes, files that no
CMakeLists names, rooms without a README, words that do not belong in a finished tree.
"""

import pathlib
import re
import sys

ROOT = pathlib.Path(__file__).resolve().parent.parent
FILE_LINES_MAX = 600
README_LINES_MAX = 15
# Longer than FILE_LINES_MAX for a reason that stands here.
LONG_FILES: dict[str, str] = {}
# What reconciliation must not see, however indirectly: it proves the ingest path from outside.
INGEST_ROOMS = {"csv", "avro", "log", "receive", "publish", "sink"}
BANNED_WORDS = re.compile(r"\b(TODO|FIXME|XXX|HACK)\b|\bfor now\b|\bnot implemented\b", re.IGNORECASE)
BANNED_NAMES = re.compile(r"(^|/)(util|utils|common|helpers?|manager|misc)(\.|/|$)")


def room_dependencies(root: pathlib.Path) -> dict[str, set[str]]:
    """Room → rooms named in its DEPS."""
    dependencies = {}
    for cmake in sorted((root / "src").glob("*/CMakeLists.txt")):
        found = re.search(r"rh_library\(\s*(\w+)(.*?)\)", cmake.read_text(), re.DOTALL)
        if not found:
            continue
        words = found.group(2).split()
        deps, listing = set(), False
        for word in words:
            if word.isupper():
                listing = word == "DEPS"
            elif listing:
                deps.add(word)
        dependencies[cmake.parent.name] = deps
    return dependencies


def closure(room: str, dependencies: dict[str, set[str]]) -> set[str]:
    seen, todo = set(), [room]
    while todo:
        for dep in dependencies.get(todo.pop(), set()) - seen:
            seen.add(dep)
            todo.append(dep)
    return seen


def includes(path: pathlib.Path) -> list[str]:
    return re.findall(r'^\s*#\s*include\s+"([^"]+)"', path.read_text(), re.MULTILINE)


def check_includes(root: pathlib.Path) -> list[str]:
    dependencies = room_dependencies(root)
    findings = []
    for path in sources(root):
        room = path.relative_to(root / "src").parts[0]
        if room not in dependencies:
            continue
        allowed = closure(room, dependencies) | {room}
        for include in includes(path):
            target = include.split("/")[0]
            if "/" in include and target not in allowed:
                findings.append(f"{name(root, path)}: includes {include}, but {room} does not depend on {target}")
            if room == "reconcile" and target in INGEST_ROOMS:
                findings.append(f"{name(root, path)}: includes {include}; reconcile must not use the ingest path")
    return findings


def check_cycles(root: pathlib.Path) -> list[str]:
    dependencies = room_dependencies(root)
    return [
        f"src/{room}/CMakeLists.txt: {room} depends on itself by way of its DEPS"
        for room in dependencies
        if room in closure(room, dependencies)
    ]


def check_sizes(root: pathlib.Path) -> list[str]:
    findings = []
    for path in sources(root):
        lines = path.read_text().count("\n")
        if lines > FILE_LINES_MAX and name(root, path) not in LONG_FILES:
            findings.append(f"{name(root, path)}: {lines} lines; split it (at most {FILE_LINES_MAX})")
    return findings


def check_built(root: pathlib.Path) -> list[str]:
    findings = []
    for path in sources(root):
        cmake = root / "src" / path.relative_to(root / "src").parts[0] / "CMakeLists.txt"
        if path.suffix != ".cc" or not cmake.exists():
            continue
        listed = cmake.read_text().split()
        wanted = str(path.relative_to(cmake.parent))
        if wanted not in re.findall(r"[\w./-]+\.cc", " ".join(listed)) and path.name != "main.cc":
            findings.append(f"{name(root, path)}: no CMakeLists.txt builds it")
    return findings


def check_readmes(root: pathlib.Path) -> list[str]:
    findings = []
    for cmake in sorted((root / "src").glob("*/CMakeLists.txt")):
        readme = cmake.parent / "README.md"
        if not readme.exists():
            findings.append(f"{name(root, cmake.parent)}: has no README.md")
        elif readme.read_text().count("\n") > README_LINES_MAX:
            findings.append(f"{name(root, readme)}: longer than {README_LINES_MAX} lines")
    return findings


def check_words(root: pathlib.Path) -> list[str]:
    findings = []
    for path in sources(root):
        if BANNED_NAMES.search(name(root, path)):
            findings.append(f"{name(root, path)}: the name says nothing; name it for what it holds")
        for number, line in enumerate(path.read_text().splitlines(), 1):
            if found := BANNED_WORDS.search(line):
                findings.append(
                    f"{name(root, path)}:{number}: {found.group(0)!r}: finish it or say it in an issue"
                )
    return findings


def sources(root: pathlib.Path) -> list[pathlib.Path]:
    return sorted(path for path in (root / "src").rglob("*") if path.suffix in (".cc", ".h"))


def name(root: pathlib.Path, path: pathlib.Path) -> str:
    return path.relative_to(root).as_posix()


CHECKS = [check_includes, check_cycles, check_sizes, check_built, check_readmes, check_words]


def main() -> int:
    findings = [finding for check in CHECKS for finding in check(ROOT)]
    print("\n".join(findings) if findings else f"tidy: {len(sources(ROOT))} files, nothing found")
    return 1 if findings else 0


if __name__ == "__main__":
    sys.exit(main())
