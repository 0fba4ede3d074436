"""Tagging from SQLite and PostgreSQL beside tagging from a file; peak memory on the way.

python bench/sql_throughput.py [--data ../shared/data] [--jobs N] [--quick] [--json] [--check]

Real postings are repeated, each time with other words left out, until there are N. Every way tags
all of them in each round; ways take turns, so that a slow minute hits all, and ratios are medians
over rounds. Two workers are compared with two processes that tag half a file each; every
process has its share of the cores for matrix products. The tagger is barely trained: its speed does
not depend on its weights. Without PostgreSQL's programs only SQLite is measured.
"""

import argparse
import hashlib
import json
import os
import random
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
from common import (
    Check,
    Result,
    Row,
    barely_trained,
    labelled_jobs,
    run,
    say,
    tagger_config,
    unlabelled_jobs,
)
from postgres import Postgres, postgres_binaries
from sqlalchemy import func, insert, select

from db.columns import BatchState
from db.engine import open_engine, reading, writing
from db.migrate import upgrade
from db.registry import TrainedModel, promote, register
from db.schema import Batch, CodeVersion, Job
from db.workers import THREADS
from tagger.jobs import Job as Posting
from tagger.model import TagModel
from tagger.tagger import JobTagger

N_JOBS, N_ROUNDS, N_WORKERS = 100_000, 2, 2
QUICK_JOBS = 60
MAX_COST, MAX_MB, MAX_GROWTH = 1.2, 1500, 1.1
LEFT_OUT = 0.05
"""Share of the words that a repeated posting lacks."""
JOBTOOL = [str(Path(sys.executable).with_name("jobtool")), "tag"]


def main() -> int:
    def options(parser: argparse.ArgumentParser) -> None:
        parser.add_argument("--jobs", type=int, default=N_JOBS, metavar="N", help="postings")

    return run(__doc__ or "", measure, options=options)


def measure(args: argparse.Namespace) -> Result:
    n_jobs = QUICK_JOBS if args.quick else args.jobs
    n_rounds = 1 if args.quick else N_ROUNDS
    with TemporaryDirectory() as name, _server() as server:
        store = Path(name)
        postings = list(repeated(unlabelled_jobs(args), n_jobs))
        train(args, store / "model")
        databases = Databases(store, server, postings)
        rows, costs = compare(databases, postings, n_rounds)
        memory = [peak_row(databases, kind, n_jobs) for kind in databases.kinds]
    checks = [Check(f"{kind}: seconds / a file's", cost, high=MAX_COST) for kind, cost in costs]
    for row in memory:
        grown = row["MB at the end"] / row["MB half way"]
        checks += [
            Check(f"{row['from']}: peak memory in MB", row["MB at the end"], high=MAX_MB),
            Check(f"{row['from']}: peak memory / that half way", grown, high=MAX_GROWTH),
        ]
    title = f"tagging {n_jobs:,} postings, {n_rounds} rounds"
    return Result({title: rows, "peak memory of one worker": memory}, checks)


# ---- postings, model, databases


def repeated(jobs: list[Posting], n_jobs: int) -> Iterator[Posting]:
    """The postings as they are, then again and again with other words left out."""
    rng = random.Random(0)
    for n in range(n_jobs):
        job = jobs[n % len(jobs)]
        text = job.text.replace("\0", " ")
        if n >= len(jobs):
            text = " ".join(word for word in text.split(" ") if rng.random() > LEFT_OUT)
        yield Posting(str(n), job.title.replace("\0", " "), text)


def train(args: argparse.Namespace, folder: Path) -> None:
    """A model of the usual size (but for --quick); both paths count, so that both are run."""
    config = tagger_config(args) if args.quick else barely_trained()
    tagger = JobTagger(config).fit(labelled_jobs(args, "indeed"), unlabelled_jobs(args, 500))
    model = tagger.model_
    half = np.full(len(model.tags), 0.5)  # hardly trained codes may get no weight: no cost then
    mixture = {**model.arrays["mixture"], "code": half, "names": half}
    arrays = {**model.arrays, "mixture": mixture}
    TagModel.of(arrays, model.meta).save(folder)


@contextmanager
def _server() -> Iterator[Postgres | None]:
    binaries = postgres_binaries()
    if binaries is None:
        say("there is no initdb: PostgreSQL is left out")
        yield None
        return
    server = Postgres(binaries)
    try:
        yield server
    finally:
        server.remove()


class Databases:
    """Copies of a database with all postings and a live model, none of them tagged."""

    def __init__(self, store: Path, server: Postgres | None, postings: list[Posting]) -> None:
        self.store, self._server = store, server
        self.kinds = ("SQLite", "PostgreSQL") if server else ("SQLite",)
        if server:
            server.admin("CREATE DATABASE original")
        for kind in self.kinds:
            fill(self._url(kind, "original"), store, postings)

    def copy(self, kind: str, name: str) -> str:
        """The URL of a new copy."""
        if kind == "SQLite":
            shutil.copy(self._url(kind, "original"), self._url(kind, name))
        elif self._server:
            self._server.admin(f"CREATE DATABASE {name} TEMPLATE original")
        return self._url(kind, name)

    def _url(self, kind: str, name: str) -> str:
        if kind == "SQLite" or self._server is None:
            return str(self.store / f"{name}.db")
        return self._server.url(name)


def fill(url: str, store: Path, postings: list[Posting]) -> None:
    engine = open_engine(url)
    upgrade(engine)
    at = datetime.now(UTC)
    shared = {"imported_at": at, "text_hash": bytes(16)}
    for first in range(0, len(postings), 5000):
        with writing(engine) as session:
            rows = [
                {"external_id": job.id, "title": job.title, "text": job.text, **shared}
                for job in postings[first : first + 5000]
            ]
            session.execute(insert(Job), rows)
    model = TagModel.load(store / "model")
    with writing(engine) as session:
        n_code = model.encode([Posting("")]).shape[1]
        version = CodeVersion(n_numbers=n_code, created_at=at)
        session.add(version)
        session.flush()
        trained = TrainedModel(
            folder="model",
            sha256=hashlib.sha256((store / "model/meta.json").read_bytes()).hexdigest(),
            thresholds=dict.fromkeys(model.tags, 0.5),
            snapshot="",
            seed=0,
            versions={},
            metrics={},
            labelled_ids=(),
            unlabelled_ids=(),
        )
        row = register(session, trained, parent=None, code_version=version)
        promote(session, row, reason="a bench")
    engine.dispose()


# ---- speed


def compare(
    databases: Databases, postings: list[Posting], n_rounds: int
) -> tuple[list[Row], list[tuple[str, float]]]:
    """Rows of a table, and what each database costs beside a file."""
    rows: list[Row] = []
    costs: list[tuple[str, float]] = []
    for n_workers in range(1, N_WORKERS + 1):
        ways = {"a file": _from_file(databases.store, postings, n_workers)}
        for kind in databases.kinds:
            ways[kind] = _from_sql(databases, kind, n_workers)
        seconds: dict[str, list[float]] = {way: [] for way in ways}
        for number in range(n_rounds):
            for way, tag in ways.items():
                seconds[way].append(tag(number))
            say(
                f"{n_workers} worker(s), round {number + 1}: "
                + ", ".join(f"{way} {taken[-1]:.1f} s" for way, taken in seconds.items())
            )
        for way, taken in seconds.items():
            cost = median(a / b for a, b in zip(taken, seconds["a file"], strict=True))
            rate = len(postings) / median(taken)
            rows.append({"from": way, "processes": n_workers, "jobs/s": rate, "ratio": cost})
            if way != "a file":
                costs.append((f"{way}, {n_workers} worker(s)", cost))
    return rows, costs


def _from_file(store: Path, postings: list[Posting], n_workers: int) -> Callable[[int], float]:
    """Tag the postings from files, one for each process."""
    commands = []
    for worker in range(n_workers):
        source = store / f"jobs-{worker}-of-{n_workers}.jsonl"
        with source.open("w", encoding="utf-8", errors="backslashreplace") as file:
            for job in postings[worker::n_workers]:
                row = {"id": job.id, "title": job.title, "text": job.text}
                file.write(json.dumps(row) + "\n")
        output = store / f"tags-{worker}.jsonl"
        commands.append([*JOBTOOL, source, "--model", store / "model", "--output", output])
    return lambda number: _timed(commands, n_workers)


def _from_sql(databases: Databases, kind: str, n_workers: int) -> Callable[[int], float]:
    """Tag a new copy of a database."""

    def tag(number: int) -> float:
        url = databases.copy(kind, f"with_{n_workers}_{number}")
        options = ["--store", databases.store, "--workers", str(n_workers), "--json"]
        return _timed([[*JOBTOOL, "--db", url, *options]], n_workers)

    return tag


def _timed(commands: list[list[Any]], n_workers: int) -> float:
    """Seconds until the last of some processes that run side by side has ended."""
    env = {**os.environ, THREADS: str(max((os.cpu_count() or 1) // n_workers, 1))}
    began = time.perf_counter()
    running = [
        subprocess.Popen(command, stdout=subprocess.DEVNULL, env=env) for command in commands
    ]
    codes = [process.wait() for process in running]
    if any(codes):
        raise SystemExit(f"a command failed, exit codes {codes}: {commands}")
    return time.perf_counter() - began


# ---- memory


def peak_row(databases: Databases, kind: str, n_jobs: int) -> Row:
    """Peak memory of one process that tags everything, half way and at its end."""
    url = databases.copy(kind, "memory")
    engine = open_engine(url)
    done = select(func.sum(Batch.n_jobs)).where(Batch.state == BatchState.DONE)
    command = [*JOBTOOL, "--db", url, "--store", databases.store, "--json"]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL)
    half, peak = 0.0, 0.0
    while process.poll() is None:
        peak = _peak_mb(process.pid) or peak
        if not half:
            with reading(engine) as session:
                half = peak if (session.scalar(done) or 0) >= n_jobs / 2 else 0.0
        time.sleep(0.02 if n_jobs < N_JOBS / 10 else 0.2)
    engine.dispose()
    if process.returncode:
        raise SystemExit(f"tagging failed, exit code {process.returncode}")
    return {"from": kind, "jobs": n_jobs, "MB half way": half or peak, "MB at the end": peak}


def _peak_mb(pid: int) -> float:
    """Largest resident memory of a running process so far; 0 if it has ended."""
    try:
        lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    except OSError:
        return 0.0
    return next((int(line.split()[1]) / 1024 for line in lines if line.startswith("VmHWM")), 0.0)


if __name__ == "__main__":
    sys.exit(main())
