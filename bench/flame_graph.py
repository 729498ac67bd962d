#!/usr/bin/env python3
"""A flame graph of where processor time goes, from perf's samples.

  perf record -F 997 -g -p PID; perf script | bench/flame_graph.py "what was measured" > graph.svg

Each box is a function, as wide as its share of all samples; what it called stands on it. A browser shows a
box's name and share when the pointer rests on it.
"""

import argparse
import dataclasses
import html
import re
import sys
from collections.abc import Iterable, Iterator

WIDTH = 1200
ROW = 16
SHARE_MIN = 0.002  # narrower boxes are left out
CHARACTER = 6.6  # the width of one
COLOURS = ["#e4572e", "#e8743b", "#ec9049", "#f0a858", "#f2b66d"]


@dataclasses.dataclass
class Frame:
    samples: int = 0
    callees: dict[str, "Frame"] = dataclasses.field(default_factory=dict)


def stacks(lines: Iterable[str]) -> Iterator[list[str]]:
    """The call stacks of `perf script`, outermost first: the name of the thread, then functions."""
    thread, functions = "", []
    for line in [*lines, "\n"]:
        if not line.strip():
            if functions:
                yield [thread, *reversed(functions)]
            thread, functions = "", []
        elif not line[0].isspace():
            thread = line.split(":")[0].rsplit(None, 2)[0].strip()
        elif found := re.match(r"\s+[0-9a-f]+ (.*) \(.*\)$", line):
            functions.append(short(found[1]))


def short(function: str) -> str:
    """Without offset, arguments and what a template is made with."""
    function = re.sub(r"\+0x[0-9a-f]+$", "", function).replace("(anonymous namespace)::", "")
    while (shorter := re.sub(r"<[^<>]*>|\([^()]*\)", "", function)) != function:
        function = shorter
    return function.replace(" const", "").strip() or "?"


def tree(of: Iterable[list[str]]) -> Frame:
    root = Frame()
    for stack in of:
        frame = root
        frame.samples += 1
        for function in stack:
            frame = frame.callees.setdefault(function, Frame())
            frame.samples += 1
    return root


def depth(frame: Frame, all_samples: int) -> int:
    shown = [callee for callee in frame.callees.values() if callee.samples >= SHARE_MIN * all_samples]
    return 1 + max((depth(callee, all_samples) for callee in shown), default=0)


def boxes(name: str, frame: Frame, left: int, level: int, root: Frame, height: int) -> Iterator[str]:
    x, width = left * WIDTH / root.samples, frame.samples * WIDTH / root.samples
    y = height - (level + 1) * ROW
    words = html.escape(f"{name}: {frame.samples / root.samples:.1%}")
    label = html.escape(name[: int(width / CHARACTER)]) if width > 4 * CHARACTER else ""
    colour = COLOURS[sum(name.encode()) % len(COLOURS)]
    yield (
        f'<g><title>{words}</title><rect x="{x:.1f}" y="{y}" width="{width:.1f}" height="{ROW - 1}" fill="{colour}"/>'
        f'<text x="{x + 2:.1f}" y="{y + ROW - 5}">{label}</text></g>'
    )
    for callee, inner in sorted(frame.callees.items()):
        if inner.samples >= SHARE_MIN * root.samples:
            yield from boxes(callee, inner, left, level + 1, root, height)
        left += inner.samples


def svg(title: str, root: Frame) -> str:
    height = (depth(root, root.samples) + 2) * ROW
    head = (
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{WIDTH}" height="{height}" '
        f'viewBox="0 0 {WIDTH} {height}" font-family="monospace" font-size="11">'
        f'<rect width="100%" height="100%" fill="#ffffff"/>'
        f'<text x="4" y="12">{html.escape(title)}; {root.samples:,} samples</text>'
    )
    return "\n".join([head, *boxes("all", root, 0, 0, root, height), "</svg>\n"])


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("title")
    root = tree(stacks(sys.stdin))
    if root.samples == 0:
        parser.error("There is no sample on standard input; perf record needs -g.")
    sys.stdout.write(svg(parser.parse_args().title, root))
    return 0


if __name__ == "__main__":
    sys.exit(main())
