"""Drift: how often a week in which nothing changed gives an alarm, and how often a change is found.

python bench/drift.py [--data ../shared/data] [--weeks N] [--quick] [--json] [--check]

A tagger is trained on labelled postings (indeed) and 4,000 unlabelled ones from three sources.
Weeks of 40 to 400 other postings are drawn at random; each is compared as `jobtool drift` does it,
once when it is over, and once after each of its first six days, with 2,000 of the 4,000 that are
drawn anew for every tenth week. An alarm at any of the seven looks is a false alarm. Then changes
are planted in weeks of 100 and of 300:

- a new source: 20 % of the postings come from a source (wuzzuf) that the tagger has never seen;
- a tag's rate doubled: of postings with a tag that 5 to 30 % have, twice as many come; each such
  tag in turn;
- another language: 15 % of the postings are in one that is made up: each word is another word;
- a new vocabulary: each posting has 8 words more, of 60 that nobody has used before.
"""

import argparse
import gzip
import json
import random
import sys
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt
from common import Check, Result, Row, labelled_jobs, run, say, tagger_config

from db.drift import LEVEL, LEVEL_SO_FAR
from db.drift_figures import Figure, compare_samples
from db.drift_samples import Sample, words_in
from tagger.jobs import Job
from tagger.model import TagModel
from tagger.tagger import JobTagger

N_WEEKS, N_PLANTED = 400, 100
"""Weeks without a change, and with each kind of change."""
N_KNOWN, N_OTHERS = 4_000, 10_000
N_REFERENCE = 2_000
SIZES = (40, 400)
PLANTED_SIZES = (100, 300)
"""Postings of a week; the claims are about the larger."""
DAYS = 7
Ints = npt.NDArray[np.intp]


@dataclass(frozen=True, slots=True)
class Pool:
    """Postings and what the tagger says of them."""

    jobs: Sequence[Job]
    sources: Sequence[str]
    words: Sequence[set[str]]
    given: npt.NDArray[np.bool_]
    scores: npt.NDArray[np.float64]
    codes: npt.NDArray[np.float32]

    @classmethod
    def of(cls, model: TagModel, jobs: Sequence[Job], sources: Sequence[str]) -> "Pool":
        parts = [model.predict_all(jobs[at : at + 256]) for at in range(0, len(jobs), 256)]
        return cls(
            jobs,
            sources,
            [words_in(f"{job.title}\n{job.text}") for job in jobs],
            np.vstack([part.decisions for part in parts]),
            np.vstack([part.scores for part in parts]),
            np.vstack([part.codes for part in parts]),
        )

    def sample(self, chosen: Ints, vocabulary: frozenset[str]) -> Sample:
        """As `db.drift_samples.read_sample` reads it from a database."""
        new, known = Counter[str](), []
        for at in chosen.tolist():
            unknown = self.words[at] - vocabulary
            new.update(unknown)
            known.append(1 - len(unknown) / max(len(self.words[at]), 1))
        return Sample(
            np.asarray(chosen, np.int64),
            tuple(self.sources[at] for at in chosen.tolist()),
            self.given[chosen],
            self.scores[chosen],
            self.codes[chosen],
            np.array(known),
            new,
        )

    def with_changed(self, model: TagModel, change: Callable[[Job], Job], chosen: Ints) -> "Pool":
        """The chosen postings, changed, and predicted anew."""
        jobs = [change(self.jobs[at]) for at in chosen.tolist()]
        return Pool.of(model, jobs, [self.sources[at] for at in chosen.tolist()])


def joined(*samples: Sample) -> Sample:
    """One sample of several."""
    return Sample(
        np.concatenate([one.ids for one in samples]),
        tuple(name for one in samples for name in one.sources),
        np.vstack([one.given for one in samples]),
        np.vstack([one.scores for one in samples]),
        np.vstack([one.codes for one in samples]),
        np.concatenate([one.known_words for one in samples]),
        sum((one.new_words for one in samples), Counter[str]()),
    )


class Board:
    """A reference drawn from what the tagger knows; weeks are compared with it."""

    def __init__(self, known: Pool, tags: Sequence[str], rng: np.random.Generator, n: int) -> None:
        drawn = rng.permutation(len(known.jobs))
        self.vocabulary = frozenset().union(*(known.words[at] for at in drawn[n:].tolist()))
        self.reference = known.sample(drawn[:n], self.vocabulary)
        self.tags, self.rng = tags, rng

    def alarms(self, week: Sample, *, is_over: bool = True) -> list[Figure]:
        level = LEVEL if is_over else LEVEL_SO_FAR
        found = compare_samples(self.reference, week, self.tags, level=level, rng=self.rng)
        return [figure for figure in found if figure.is_alarm]


def false_alarms(
    known: Pool, others: Pool, tags: Sequence[str], n_weeks: int, n_reference: int
) -> list[Row]:
    """Weeks in which nothing changed: of each the alarms when it was over, and on any day."""
    rows: list[Row] = []
    for number in range(n_weeks):
        rng = np.random.default_rng((1, number))
        if number % 10 == 0:
            board = Board(known, tags, np.random.default_rng((2, number)), n_reference)
        size = min(int(rng.integers(*SIZES, endpoint=True)), len(others.jobs))
        chosen = rng.permutation(len(others.jobs))[:size]
        days = [
            board.alarms(
                others.sample(chosen[: size * day // DAYS], board.vocabulary), is_over=False
            )
            for day in range(1, DAYS)
            if size * day // DAYS >= 30
        ]
        at_end = board.alarms(others.sample(chosen, board.vocabulary))
        kinds = [figure.kind for found in (*days, at_end) for figure in found]
        rows.append({"at the end": bool(at_end), "on any day": bool(kinds), "kinds": kinds})
        if (number + 1) % 50 == 0:
            n_false = sum(row["on any day"] for row in rows)
            kinds = _most(kind for row in rows for kind in row["kinds"])
            say(f"{number + 1} weeks without a change: {n_false} with an alarm ({kinds})")
    return rows


def planted(
    args: argparse.Namespace,
    model: TagModel,
    known: Pool,
    others: Pool,
    n_weeks: int,
    n_reference: int,
    size: int,
) -> dict[str, list[list[Figure]]]:
    """The alarms of weeks with a change, by kind of change."""
    size = min(size, len(others.jobs) // 2)
    strangers = labelled_jobs(args, "wuzzuf")[:500]
    new = Pool.of(model, strangers, ["wuzzuf"] * len(strangers))
    rates = others.given.mean(axis=0)
    doubled = [t for t, rate in enumerate(rates) if 0.05 <= rate <= 0.3] or [int(rates.argmax())]
    found: dict[str, list[list[Figure]]] = {}
    for number in range(n_weeks):
        rng = np.random.default_rng((3, number))
        if number % 10 == 0:
            board = Board(known, model.tags, np.random.default_rng((4, number)), n_reference)
        chosen = rng.permutation(len(others.jobs))[:size]

        def with_some(
            pool: Pool, part: Ints, chosen: Ints = chosen, board: Board = board
        ) -> Sample:
            rest = others.sample(chosen[len(part) :], board.vocabulary)
            return joined(rest, pool.sample(part, board.vocabulary))

        tag = doubled[number % len(doubled)]
        has = others.given[:, tag]
        n_with = min(round(2 * rates[tag] * size), int(has.sum()))
        twice = np.concatenate(
            [
                rng.permutation(np.flatnonzero(has))[:n_with],
                rng.permutation(np.flatnonzero(~has))[: size - n_with],
            ]
        )
        cipher, slang = _Cipher(number), _Slang(number)
        abroad = others.with_changed(model, cipher, chosen[: round(0.15 * size)])
        modern = others.with_changed(model, slang, chosen)
        weeks = {
            "a new source": with_some(new, rng.permutation(len(new.jobs))[: round(0.2 * size)]),
            "a tag's rate doubled": others.sample(twice, board.vocabulary),
            "another language": with_some(abroad, np.arange(len(abroad.jobs))),
            "a new vocabulary": modern.sample(np.arange(size), board.vocabulary),
        }
        for name, week in weeks.items():
            found.setdefault(name, []).append(board.alarms(week))
    return found


class _Cipher:
    """Turns each word into another, the same one each time."""

    def __init__(self, seed: int) -> None:
        letters = "abcdefghijklmnopqrstuvwxyz"
        mixed = random.Random(seed).sample(letters, len(letters))
        self._table = str.maketrans(letters, "".join(mixed))

    def __call__(self, job: Job) -> Job:
        title, text = (part.lower().translate(self._table) for part in (job.title, job.text))
        return replace(job, title=title, text=text)


class _Slang:
    """Adds words that nobody has used before."""

    def __init__(self, seed: int) -> None:
        self._rng = random.Random(seed)
        self._words = [
            "".join(self._rng.choices("bdfgklmnprstvz", k=3)) + self._rng.choice("aeiou") + "qx"
            for _ in range(60)
        ]

    def __call__(self, job: Job) -> Job:
        return replace(job, text=f"{job.text} {' '.join(self._rng.sample(self._words, 8))}")


RIGHT = {
    "a new source": ("source",),
    "a tag's rate doubled": ("tag", "score"),
    "another language": ("words",),
    "a new vocabulary": ("words",),
}
"""Kinds of figures that name the change."""


def measure(args: argparse.Namespace) -> Result:
    n_weeks, n_planted = (10, 3) if args.quick else (args.weeks, N_PLANTED)
    jobs, sources = _unlabelled(args)
    n_known = min(N_KNOWN, len(jobs) // 2)
    labelled = labelled_jobs(args, "indeed")
    model = JobTagger(tagger_config(args), seed=0).fit(labelled, jobs[:n_known]).model_
    say(f"trained on {len(labelled):,} labelled and {n_known:,} other postings")
    known = Pool.of(model, jobs[:n_known], sources[:n_known])
    others = Pool.of(
        model,
        jobs[n_known : n_known + N_OTHERS],
        sources[n_known : n_known + N_OTHERS],
    )
    n_reference = min(N_REFERENCE, n_known // 2)
    quiet = false_alarms(known, others, model.tags, n_weeks, n_reference)
    changed = {
        size: planted(args, model, known, others, n_planted, n_reference, size)
        for size in PLANTED_SIZES
    }
    return Result(*_told(quiet, changed))


def _unlabelled(args: argparse.Namespace) -> tuple[list[Job], list[str]]:
    """Postings and their sources, in random order."""
    with gzip.open(args.data / "tags/unlabelled.jsonl.gz", "rt", encoding="utf-8") as file:
        rows: list[dict[str, Any]] = [json.loads(line) for line in file]
    random.Random(0).shuffle(rows)
    rows = rows[: 500 if args.quick else N_KNOWN + N_OTHERS]
    jobs = [Job(str(row["id"]), row.get("title") or "", row["text"]) for row in rows]
    return jobs, [row.get("source") or "(no source)" for row in rows]


def _told(
    quiet: list[Row], changed: dict[int, dict[str, list[list[Figure]]]]
) -> tuple[dict[str, list[Row]], list[Check]]:
    n = len(quiet)
    rows = [
        {
            "weeks without a change": which,
            "weeks": n,
            "with an alarm": sum(row[which] for row in quiet),
            "share": sum(row[which] for row in quiet) / n,
            "figures": _most(kind for row in quiet for kind in row["kinds"]),
        }
        for which in ("at the end", "on any day")
    ]
    changes = [
        {
            "change": name,
            "postings": size,
            "weeks": len(weeks),
            "found": sum(bool(alarms) for alarms in weeks) / len(weeks),
            "named": sum(any(one.kind in RIGHT[name] for one in alarms) for alarms in weeks)
            / len(weeks),
            "figures": _most(one.kind for alarms in weeks for one in alarms),
        }
        for size, of_size in changed.items()
        for name, weeks in of_size.items()
    ]
    checks = [Check("share of unchanged weeks with an alarm", rows[-1]["share"], high=0.05)]
    checks += [
        Check(f"share found and named: {row['change']}", row["named"], low=0.9)
        for row in changes
        if row["postings"] == max(PLANTED_SIZES)
    ]
    tables = {"False alarms": rows, "Planted changes": changes}
    return tables, checks


def _most(kinds: Iterable[str]) -> str:
    return ", ".join(f"{kind} {n}" for kind, n in Counter(kinds).most_common()) or "-"


def options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--weeks", type=int, default=N_WEEKS, metavar="N", help="unchanged weeks")


if __name__ == "__main__":
    sys.exit(
        run(
            __doc__ or "",
            measure,
            needs=[f"tags/{name}.jsonl.gz" for name in ("indeed", "wuzzuf", "unlabelled")],
            options=options,
        )
    )
