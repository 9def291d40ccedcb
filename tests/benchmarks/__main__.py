"""``python -m tests.benchmarks``: compare, print tables, write results."""

from __future__ import annotations

import argparse
import fnmatch
import time
from collections.abc import Sequence
from pathlib import Path

from threadpoolctl import threadpool_limits

from . import (
    constants,
    counts,
    every_model,
    growth,
    memory,
    models,
    new_tasks,
    paths,
    pooling,
    recovery,
    report,
    scale,
    scaling,
    threads,
)
from .environments import cache_folder
from .peer import OURS, load_peers
from .problems import Problem
from .processes import Session, note
from .protocol import Contest, Effort, Measurement, Tolerances
from .regimes import ALL

# What else can be measured: name -> (title, help, function of the session).
_TABLES = {
    "scaling": ("Growth", "how our time grows with d and T", scaling.scaling_table),
    "growth": ("Growth of every model", "exponents in d, T and n", growth.growth_table),
    "floor": ("Floor", "our time over two gradient passes", scaling.floor_table),
    "memory": ("Memory", "increase of peak memory in fit", memory.memory_table),
    "models": ("Models", "every model on School beside JointFeature", models.models_table),
    "every_model": (
        "Searches, classes, first fits",
        "searches of every model on School, logistic fits, first fits of a process",
        every_model.every_model_table,
    ),
    "paths": ("Paths", "50 lambdas, and searches over them in five folds", paths.paths_table),
    "counts": ("Counts and classes", "Poisson and multinomial fits", counts.counts_table),
    "constants": (
        "Tuned constants",
        "times of fits at other values of the constants that decide nothing but speed",
        constants.constants_table,
    ),
    "recovery": ("Recovery", "what simulations put in is found", recovery.recovery_table),
    "pooling": (
        "Grouped rows",
        "errors of prediction on grouped rows; heeds --seeds, --only (data sets) and --quick; "
        "--write goes on from pooling.json and adds to it",
        pooling.pooling_table,
    ),
    "new_tasks": (
        "New tasks",
        "errors on new tasks with a few labelled rows; options as for --pooling",
        new_tasks.new_tasks_table,
    ),
    "scale": ("Any size", "summaries, searches on them, fits by batches", scale.scale_table),
    "threads": ("Processes", "1 against 2 joblib jobs", threads.threads_table),
}


def parse(arguments: Sequence[str] | None) -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(
        prog="python -m tests.benchmarks",
        description="Speed of malsar_py beside its peers at equal certified accuracy. The first "
        "run installs every peer into an environment of its own in the user's cache folder.",
    )
    add = parser.add_argument
    add("--quick", action="store_true", help="some problems, one seed, few repetitions")
    add("--full", action="store_true", help="--scale at 1e7 and 1e8 rows: some minutes")
    add("--only", nargs="+", metavar="PATTERN", help="problems, e.g. 'small*' 'School /10'")
    add("--peers", nargs="*", metavar="PATTERN", help="peers beside ours, e.g. celer 'skglm*'")
    add("--seeds", type=int, nargs="+", metavar="SEED", help="default: 0 1 2 (--quick: 0)")
    add("--cap", type=float, metavar="SECONDS", help="limit of a fit (default: 60, --quick: 15)")
    add("--budget", type=float, default=4.0, metavar="SECONDS", help="of timed fits a peer")
    add("--json", type=Path, metavar="OUT", help="write everything measured to this file")
    add(
        "--keep",
        type=Path,
        metavar="FILE",
        help="of the comparison, in pieces: what this file holds of this commit is not measured "
        "again, what is measured is added to it",
    )
    add("--write", action="store_true", help=f"update {report.RESULTS.name} beside this command")
    add("--list", action="store_true", help="list problems and peers")
    group = parser.add_argument_group("other tables, instead of the comparison")
    for name, (_, text, _) in _TABLES.items():
        flag = f"--{name.replace('_', '-')}"
        group.add_argument(flag, action="store_true", help=text)
    group.add_argument("--all", action="store_true", help="the comparison and all of them")
    args = parser.parse_args(arguments)
    args.tables = [name for name in _TABLES if getattr(args, name) or args.all]
    args.compare = args.all or not args.tables
    if args.write and args.compare and (args.quick or args.only or args.peers is not None):
        parser.error("--write is for the whole comparison, or for the other tables")
    return args


def matches(name: str, patterns: Sequence[str] | None) -> bool:
    """Whether a name is wanted; no list of patterns wants all."""
    return patterns is None or any(fnmatch.fnmatch(name, pattern) for pattern in patterns)


def chosen_problems(args: argparse.Namespace) -> list[Problem]:
    """The problems of this run."""
    return [
        problem
        for problem in ALL
        if matches(problem.name, args.only) and (problem.quick or not args.quick)
    ]


def compare(
    args: argparse.Namespace,
    session: Session,
    problems: Sequence[Problem],
    effort: Effort,
    kept: report.Kept,
) -> list[Measurement]:
    """All problems, all seeds."""
    contest = Contest(session, effort, Tolerances(cache_folder() / "tolerances.json"))
    try:
        for problem in problems:
            if problem.missing():
                note(f"{problem.name}: skipped, {problem.missing()}")
                continue
            for seed in args.seeds or ([0] if args.quick else [0, 1, 2]):
                if not kept.has(problem.name, seed):
                    note(f"{problem.name}, seed {seed}")
                    kept.add(contest.run(problem, seed), session)
    except KeyboardInterrupt:
        note("interrupted: what follows is what had been measured")
    names = {problem.name for problem in problems}
    return [m for m in kept.measured if m.problem in names]


def show_list() -> None:
    """Problems and peers."""
    rows = [[p.name, p.kind, p.about, "yes" if p.quick else ""] for p in ALL]
    print(report.markdown(["problem", "kind", "data", "quick"], rows))
    print()
    rows = [[p.name, ", ".join(sorted(p.kinds)), p.requirements or "-"] for p in load_peers()]
    print(report.markdown(["peer", "solves", "requirements"], rows))


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the command."""
    args = parse(arguments)
    if args.list:
        show_list()
        return
    problems = chosen_problems(args)
    if not problems and args.compare:
        raise SystemExit(f"no problem matches {args.only}; --list shows them")
    peers = [
        peer
        for peer in load_peers()
        if peer.name.startswith(OURS) or matches(peer.name, args.peers)
    ]
    if args.quick:
        effort = Effort(args.cap or 15.0, budget=0.5, fewest=1, most=7, trusting=True)
    else:
        effort = Effort(args.cap or 60.0, budget=args.budget, fewest=2)
    info = report.machine()
    measured: list[Measurement] = []
    sections: dict[str, str] = {}
    start = time.monotonic()
    with Session(peers) as session, threadpool_limits(1):
        if args.compare:
            kept = report.Kept(args.keep)
            measured = compare(args, session, problems, effort, kept)
            sections["speed"] = report.speed_tables(problems, measured, session, effort, kept)
        for name in args.tables:
            chosen = (args.seeds, args.only, args.quick, args.write)
            more = {
                "pooling": chosen,
                "new_tasks": chosen,
                "scale": (args.full,),
            }.get(name, ())
            sections[name] = _TABLES[name][2](session, *more)
    for name, text in sections.items():
        title = "Speed" if name == "speed" else _TABLES[name][0]
        body = f"{report.machine_line(info)}\n\n{text}"
        print(f"## {title}\n\n{body}\n")
        if args.write:
            report.write_section(name, title, body)
    if args.json is not None:
        args.json.write_text(report.as_json(measured, session, info, sections), encoding="utf-8")
    note(f"{time.monotonic() - start:.0f} s")


if __name__ == "__main__":
    main()
