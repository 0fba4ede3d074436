"""Importing postings into SQL: how fast, in how much memory, and which reposts are found.

The truth is the exact Jaccard similarity of all pairs; the peer is datasketch's MinHashLSH with its
own hashing. Rates are of one process; memory is the peak of the whole bench so far.
"""

import argparse
import random
import re
import resource
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import cycle, islice
from pathlib import Path

import common
import numpy as np
from common import Check, Result, Row, say
from datasketch import MinHash, MinHashLSH
from postgres import Postgres, postgres_binaries
from scipy import sparse
from sqlalchemy import Engine, select

from db.engine import open_engine, reading
from db.importing import import_jobs
from db.migrate import ready
from db.reposts import SAME_JACCARD, shingles
from db.rows import JobRow
from db.schema import Job
from tagger.jobs import Job as Posting

QUICK_ROWS = 200


def options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--sample", type=int, default=8000, help="postings compared pair by pair")
    parser.add_argument("--rows", type=int, default=100_000, help="postings imported")


def measure(args: argparse.Namespace) -> Result:
    jobs = common.unlabelled_jobs(args)
    sample = random.Random(0).sample(jobs, min(args.sample, len(jobs)))
    n_rows = QUICK_ROWS if args.quick else args.rows
    speed: list[Row] = []
    with _databases() as databases:
        for name, url in databases.items():
            engine = open_engine(url)
            ready(engine)
            speed += _import(name, engine, jobs, n_rows)
            engine.dispose()
    true = _repeats(sample)
    found = [_found("jobtool", true, _linked(sample), len(sample)), _peer(sample, true)]
    checks = [
        Check("recall of reposts", float(found[0]["recall"]), low=0.95),
        Check("precision of reposts", float(found[0]["precision"]), low=0.99),
    ]
    for half, whole in zip(speed[::2], speed[1::2], strict=True):
        name = half["database"]
        rate = float(whole["postings/s"])
        checks.append(Check(f"postings per second into {name}", rate, low=1000))
        growth = whole["MB"] / half["MB"]
        checks.append(Check(f"growth of memory in the second half, {name}", growth, high=1.1))
    return Result({"Jobs that repeat an earlier one": found, "Import": speed}, checks)


@contextmanager
def _databases() -> Iterator[dict[str, str]]:
    """Empty databases: a SQLite file, and where PostgreSQL is installed one on a new server."""
    with tempfile.TemporaryDirectory() as folder:
        urls = {"SQLite": str(Path(folder, "jobs.db"))}
        binaries = postgres_binaries()
        if binaries is None:
            say("there is no initdb: PostgreSQL is left out")
            yield urls
            return
        server = Postgres(binaries)
        try:
            server.admin("CREATE DATABASE jobs")
            yield urls | {"PostgreSQL": server.url("jobs")}
        finally:
            server.remove()


# ---- which are reposts


def _repeats(jobs: list[Posting]) -> set[int]:
    """Jobs at least `SAME_JACCARD` like an earlier one, by the similarity of all pairs."""
    found = [shingles(job.title, job.text) for job in jobs]
    sizes = np.array([len(one) for one in found])
    columns = np.unique(np.concatenate(found), return_inverse=True)[1]
    ends = np.concatenate([[0], np.cumsum(sizes)])
    rows = sparse.csr_array((np.ones(len(columns), np.int32), columns, ends))
    repeats: set[int] = set()
    for start in range(0, len(jobs), 1000):
        common_ = (rows[start : start + 1000] @ rows.T).tocoo()
        a, b = common_.row + start, common_.col
        same = common_.data >= SAME_JACCARD * (sizes[a] + sizes[b] - common_.data)
        repeats |= set(a[same & (b < a)].tolist())
    return repeats


def _linked(jobs: list[Posting]) -> set[int]:
    rows = (JobRow(line=n, id=str(n), title=job.title, text=job.text) for n, job in enumerate(jobs))
    with tempfile.TemporaryDirectory() as folder:
        engine = open_engine(str(Path(folder, "jobs.db")))
        ready(engine)
        import_jobs(engine, rows, reject=say)
        with reading(engine) as session:
            reposts = select(Job.external_id).where(Job.canonical_id.is_not(None))
            found = {int(name) for name in session.scalars(reposts)}
        engine.dispose()
    return found


def _peer(jobs: list[Posting], true: set[int]) -> Row:
    """The library's own index, over the same word triples."""
    start = time.perf_counter()
    index, found = MinHashLSH(threshold=SAME_JACCARD, num_perm=128), set()
    for n, job in enumerate(jobs):
        words = re.findall(r"\w+", f"{job.title}\n{job.text}".casefold())
        triples = {" ".join(words[i : i + 3]).encode() for i in range(max(1, len(words) - 2))}
        signature = MinHash(128)
        signature.update_batch(list(triples))
        if index.query(signature):
            found.add(n)
        index.insert(n, signature)
    say(f"MinHashLSH: {len(jobs) / (time.perf_counter() - start):,.0f} postings/s, in memory")
    return _found("datasketch.MinHashLSH", true, found, len(jobs))


def _found(name: str, true: set[int], found: set[int], n_jobs: int) -> Row:
    right = len(true & found)
    return {
        "method": name,
        "postings": n_jobs,
        "reposts": len(true),
        "found": len(found),
        "recall": right / len(true) if true else 1.0,
        "precision": right / len(found) if found else 1.0,
    }


# ---- how fast, in how much memory


def _import(name: str, engine: Engine, jobs: list[Posting], n_rows: int) -> Iterator[Row]:
    """Two halves one after the other; of each the rate and the peak of the process so far."""
    rows = islice(_varied(jobs), n_rows)
    for share in (50, 100):
        start = time.perf_counter()
        done = import_jobs(engine, islice(rows, n_rows // 2), reject=say)
        rate = done.rows / (time.perf_counter() - start)
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / (2**20 if _is_mac() else 1024)
        yield {
            "database": name,
            "share": f"{share} %",
            "postings": done.rows,
            "reposts": done.reposts,
            "postings/s": rate,
            "MB": peak,
        }


def _varied(jobs: list[Posting]) -> Iterator[JobRow]:
    """The postings over and over, the words of each round in another order."""
    for n, job in enumerate(cycle(jobs)):
        words = job.text.split()
        if n >= len(jobs):
            random.Random(n).shuffle(words)
        yield JobRow(line=n, id=f"row-{n}", title=job.title, text=" ".join(words))


def _is_mac() -> bool:
    return sys.platform == "darwin"


if __name__ == "__main__":
    needs = ("tags/unlabelled.jsonl.gz",)
    raise SystemExit(common.run(__doc__ or "", measure, needs=needs, options=options))
