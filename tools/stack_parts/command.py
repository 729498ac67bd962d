"""The command line of tools/stack. Exit codes: 0 ok, 1 failure, 2 usage."""

import argparse
import json
import pathlib
import shlex
import sys

from . import artifacts, processes, stack
from .parts import ROOT, part_names

DEFAULT_FOLDER = ROOT / "build" / "stack"
START_PATIENCE_S = 300
LOG_LINES = 50
EXAMPLES = """
examples:
  tools/stack up                      start ZooKeeper, Kafka, the registry, two ClickHouse shards
  tools/stack up clickhouse-1 clickhouse-2    the cluster alone, which needs no Java
  eval "$(tools/stack env)"           let the shell and `roundhouse serve` use it
  tools/stack kill broker             kill -9; `tools/stack start broker` brings it back with its data
  tools/stack down                    end every process and remove the folder

parts: zookeeper, broker (with --brokers 3: broker-1, broker-2, broker-3), registry, clickhouse-1, clickhouse-2
The first `up` fetches Kafka and the registry by Maven (190 MB, checked against pinned checksums, kept in
~/.cache/roundhouse), and Debian's maven and openjdk-17-jre-headless where they are missing.
"""


def parser() -> argparse.ArgumentParser:
    shared = argparse.ArgumentParser(add_help=False)
    shared.add_argument(
        "--dir", type=pathlib.Path, default=argparse.SUPPRESS, help="the stack's folder (default: build/stack)"
    )
    patience = argparse.ArgumentParser(add_help=False)
    patience.add_argument(
        "--timeout", type=float, default=START_PATIENCE_S, metavar="S", help="seconds until it must answer"
    )
    raw = argparse.RawDescriptionHelpFormatter
    top = argparse.ArgumentParser(
        "tools/stack",
        description="Kafka, a schema registry and a ClickHouse cluster on loopback, without Docker.",
        epilog=EXAMPLES,
        formatter_class=raw,
        parents=[shared],
    )
    commands = top.add_subparsers(dest="command", required=True, metavar="COMMAND")

    def add(name: str, what: str, *parents: argparse.ArgumentParser) -> argparse.ArgumentParser:
        return commands.add_parser(name, help=what, description=what, parents=[shared, *parents])

    up = add("up", "start what does not run, and return when every part answers", patience)
    up.add_argument("parts", nargs="*", metavar="PART", help="only these, and what they need")
    up.add_argument("--brokers", type=int, choices=[1, 3], help="Kafka brokers (default: 1)")
    down = add("down", "end every process and remove the folder")
    down.add_argument("--keep", action="store_true", help="end them cleanly and keep the data for the next `up`")
    status = add("status", "say of each part how it is; exit 1 unless all answer")
    status.add_argument("--json", action="store_true", help="for scripts")
    logs = add("logs", "print the end of each part's logs")
    logs.add_argument("parts", nargs="*", metavar="PART")
    logs.add_argument("--lines", type=int, default=LOG_LINES, help=f"of each log (default: {LOG_LINES})")
    add("kill", "kill -9 one part").add_argument("part", metavar="PART")
    add("start", "start one part again, with its data and its ports", patience).add_argument(
        "part", metavar="PART"
    )
    add("env", "print shell lines that name the stack's addresses")
    return top


def show_status(setup: stack.Setup, names: list[str], as_json: bool) -> int:
    rows = [
        {
            "part": part.name,
            "state": stack.state(part),
            "pid": processes.pid_of(part.folder),
            "address": part.address(),
        }
        for part in stack.some(setup, names)
    ]
    if as_json:
        print(json.dumps({"folder": str(setup.folder), "parts": rows}))
    else:
        for row in rows:
            print(f"{row['part']:<14}{row['state']:<9}{row['pid'] or '-':<9}{row['address']}")
    return 0 if all(row["state"] == "answers" for row in rows) else 1


def run(arguments: argparse.Namespace) -> int:
    folder = getattr(arguments, "dir", DEFAULT_FOLDER).absolute()
    if arguments.command == "up":
        setup = stack.up(folder, arguments.brokers, arguments.parts, arguments.timeout)
        return show_status(setup, arguments.parts, as_json=False)
    if arguments.command == "down":
        if not stack.down(folder, arguments.keep):
            stack.complain(f"No stack in {folder}.")
        return 0
    setup = stack.load(folder)
    if setup is None:
        named = getattr(arguments, "parts", None) or [getattr(arguments, "part", "zookeeper")]
        stack.insist_on_known(named, sorted({*part_names(1), *part_names(3)}))
        raise stack.StackError(f"No stack in {folder}; `tools/stack up` starts one.")
    if arguments.command == "status":
        return show_status(setup, [], arguments.json)
    if arguments.command == "logs":
        for part in stack.some(setup, arguments.parts):
            print(stack.tail(part, arguments.lines))
    elif arguments.command == "kill":
        if not stack.kill(setup, arguments.part):
            stack.complain(f"{arguments.part} does not run.")
    elif arguments.command == "start":
        stack.start_one(setup, arguments.part, arguments.timeout)
    else:
        for name, value in stack.environment(setup).items():
            print(f"export {name}={shlex.quote(value)}")
    return 0


def main() -> int:
    try:
        return run(parser().parse_args())
    except stack.UsageError as error:
        stack.complain(str(error))
        return 2
    except (stack.StackError, artifacts.FetchError, TimeoutError) as error:
        stack.complain(str(error))
        return 1
    except KeyboardInterrupt:
        return 130
    except BrokenPipeError:
        sys.stderr.close()
        return 1
