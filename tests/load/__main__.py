"""`python -m load STORE`: see `--help`. Exit code 1 when an answer can't be explained, or an error reached a caller."""

from __future__ import annotations

import argparse
import json
import shutil
import subprocess
import sys
import tempfile
from dataclasses import replace
from functools import partial
from pathlib import Path

from load.history import Kind
from load.report import is_good, report, show
from load.run import HOSTS, Options, run
from load.stores import UnknownStoreError, served
from load.work import MIX, Phase


def parse(arguments: list[str]) -> tuple[Options, argparse.Namespace]:
    """Reads the arguments, or ends with what is wrong."""
    parser = argparse.ArgumentParser(
        prog="load", description="Drives a store from several processes and checks what they saw."
    )
    parser.add_argument(
        "store",
        help="sqlite:PATH, file:PATH, postgresql://..., or module:function; empty, or without load's secrets; "
        "cluster for a PostgreSQL server of its own",
    )
    parser.add_argument("--processes", type=int, default=4, metavar="N")
    parser.add_argument("--secrets", type=int, default=1000, metavar="N", help="how many there are")
    parser.add_argument("--seconds", type=float, default=10.0, help="on all of them; 0 for not at all")
    parser.add_argument("--hot", type=int, default=5, metavar="K", help="how many secrets the second phase is about")
    parser.add_argument("--hot-seconds", type=float, default=0.0, metavar="SECONDS", help="on those alone")
    parser.add_argument(
        "--mix", default="", metavar="KIND=N,...", help=f"how often what is done; {_mix_text(MIX)} otherwise"
    )
    parser.add_argument(
        "--hosts",
        default="python",
        metavar="HOST,...",
        help="what the processes run on, in turn: python, node",
    )
    parser.add_argument("--value-bytes", type=int, default=32, metavar="N")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument(
        "--cut",
        metavar="COMMAND",
        help="run again and again meanwhile, such as one that cuts connections; of a cluster: connections, or restart",
    )
    parser.add_argument("--cut-every", type=float, default=5.0, metavar="SECONDS")
    parser.add_argument("--keep", type=Path, metavar="FOLDER", help="where to keep the histories")
    parser.add_argument("--json", action="store_true", help="the report as JSON")
    told = parser.parse_args(arguments)
    if told.secrets < 1 or told.processes < 1 or told.hot < 1:
        parser.error("there must be a process, a secret, and a hot one")
    if told.value_bytes < 20:
        parser.error("values tell who wrote them: 20 bytes at least")
    hosts = tuple(told.hosts.split(","))
    if not set(hosts) <= set(HOSTS):
        parser.error(f"the hosts are some of: {', '.join(HOSTS)}")
    phases = [Phase(told.seconds, told.secrets), Phase(told.hot_seconds, min(told.hot, told.secrets))]
    options = Options(
        store=told.store,
        processes=told.processes,
        secrets=told.secrets,
        phases=[phase for phase in phases if phase.seconds > 0],
        mix=_mix(told.mix, parser),
        seed=told.seed,
        value_bytes=told.value_bytes,
        hosts=hosts,
        # The user's own command, as in a shell.
        cut=told.cut and partial(subprocess.run, told.cut, shell=True, check=False, stdout=sys.stderr),  # noqa: S604
        cut_every=told.cut_every,
    )
    return options, told


def _mix_text(mix: dict[Kind, int]) -> str:
    return ",".join(f"{kind}={weight}" for kind, weight in mix.items())


def _mix(text: str, parser: argparse.ArgumentParser) -> dict[Kind, int]:
    mix: dict[Kind, int] = {}
    for part in filter(None, text.split(",")):
        kind, _, weight = part.partition("=")
        if kind not in MIX or not weight.isdecimal():
            parser.error(f"the mix is written as {_mix_text(MIX)}")
        mix[kind] = int(weight)
    if mix and not any(mix.values()):
        parser.error("the mix must have something to do")
    return mix or dict(MIX)


def main() -> int:
    options, told = parse(sys.argv[1:])
    folder = Path(tempfile.mkdtemp(prefix="strongroom-load-")) if told.keep is None else told.keep
    folder.mkdir(parents=True, exist_ok=True)

    def say(text: str) -> None:
        print(f"==> {text}", file=sys.stderr, flush=True)

    good = False
    try:
        with served(options.store) as (store, server):
            cuts = {} if server is None else {"connections": server.cut_connections, "restart": server.restart}
            outcome = run(replace(options, store=store, cut=cuts.get(told.cut, options.cut)), folder, say)
        good = is_good(outcome)
        figures = report(options, outcome)
        print(json.dumps(figures, indent=2) if told.json else show(figures))
    except UnknownStoreError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    finally:
        # A history that can't be explained is worth a second look.
        if told.keep is None and good:
            shutil.rmtree(folder)
        else:
            say(f"the histories are in {folder}")
    return 0 if good else 1


if __name__ == "__main__":
    sys.exit(main())
