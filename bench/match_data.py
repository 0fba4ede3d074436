"""Real candidates, jobs and events for the matching benches, and codes of their texts."""

import argparse
from collections.abc import Iterable, Sequence
from datetime import datetime, time
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv as pa_csv
from common import tagger_config
from scipy import sparse

from matcher.data import MatchData, Profiles, RawEvent, build
from tagger.autoencoder import JobAutoencoder
from tagger.features import RowStatistics, count_all
from tagger.jobs import Job

DACON = tuple(
    f"match/dacon/{name}.csv.gz"
    for name in ("apply_train", "recruitment", "company", "resume", "resume_education")
)
KANDIJ = ("match/kandij/Job_Views.csv.gz", "match/kandij/Experience.csv.gz")
PROSPECTS = ("match/prospects/events.csv.gz", "match/prospects/jobs.csv.gz")
XING = ("match/xing/replies.csv.gz",)
RESUMES = ("match/resumes/resumes_text.csv.gz", "match/vectors/glove_twitter_25d_11925.npz")


def read(args: argparse.Namespace, name: str) -> dict[str, list[Any]]:
    """Columns of a gzip CSV, as it is; missing cells are None."""
    options = pa_csv.ConvertOptions(strings_can_be_null=True, null_values=["", "NA"])
    parse = pa_csv.ParseOptions(newlines_in_values=True)
    table: pa.Table = pa_csv.read_csv(
        args.data / name, convert_options=options, parse_options=parse
    )
    return {column.strip("\ufeff"): table[column].to_pylist() for column in table.column_names}


def codes_of(
    args: argparse.Namespace, texts: Sequence[str], learn_from: Iterable[str] | None = None
) -> npt.NDArray[np.float32]:
    """Codes by the tagger's own stack, learned from `learn_from` (by default the texts).

    Zeros for an empty text. No tag is involved, so there is nothing to leak.
    """
    learn = list(texts if learn_from is None else learn_from)
    counted = count_all([Job("", "", text) for text in learn if text])
    statistics = RowStatistics()
    statistics.add(counted)
    weights = statistics.weights()
    config = tagger_config(args).autoencoder
    autoencoder = JobAutoencoder(config, seed=0).fit(weights.weigh(counted))
    asked = count_all([Job("", "", text) for text in texts])
    codes = np.asarray(autoencoder.encode(sparse.csr_array(weights.weigh(asked))), np.float32)
    codes[[not text for text in texts]] = 0
    return codes


def dacon(args: argparse.Namespace, *, codes: bool = True) -> MatchData:
    """Applies without times; texts are keywords. Candidates and jobs with all their fields."""
    jobs = _joined(read(args, DACON[1]), [read(args, DACON[2])], "recruitment_seq")
    people = _joined(read(args, DACON[3]), [read(args, DACON[4])], "resume_seq")
    applies = read(args, DACON[0])
    job_texts = [text or "" for text in jobs["text_keyword"]]
    resumes = [
        " ".join(filter(None, (text, tasks)))
        for text, tasks in zip(people["text_keyword"], people["career_job_code"], strict=True)
    ]
    found = codes_of(args, [*job_texts, *resumes]) if codes else None
    raw = [
        RawEvent(candidate, job, "apply")
        for candidate, job in zip(applies["resume_seq"], applies["recruitment_seq"], strict=True)
    ]
    job_ids, people_ids = jobs.pop("recruitment_seq"), people.pop("resume_seq")
    n_jobs = len(job_ids)
    return build(
        Profiles(
            ids=tuple(people_ids), fields=people, codes=None if found is None else found[n_jobs:]
        ),
        Profiles(ids=tuple(job_ids), fields=jobs, codes=None if found is None else found[:n_jobs]),
        raw[: 3000 if args.quick else None],
        until=None,
    )


def kandij(args: argparse.Namespace, *, codes: bool = True) -> MatchData:
    """Views with times, of jobs with title, company, city and industry; past jobs of people."""
    views, work = read(args, KANDIJ[0]), read(args, KANDIJ[1])
    rows = range(min(len(views["Job.ID"]), 1500) if args.quick else len(views["Job.ID"]))
    first = {views["Job.ID"][row]: row for row in reversed(rows)}
    job_rows = [first[job] for job in sorted(first)]
    fields = {
        name: [views[name][row] for row in job_rows]
        for name in ("Company", "City", "State.Code", "Industry")
    }
    titles = [views["Position"][row] or "" for row in job_rows]
    people = sorted({views["Applicant.ID"][row] for row in rows})
    past: dict[Any, list[str]] = {person: [] for person in people}
    for person, position in zip(work["Applicant.ID"], work["Position.Name"], strict=True):
        if person in past and position:
            past[person].append(position)
    texts = [*titles, *(" ; ".join(past[person]) for person in people)]
    found = codes_of(args, texts) if codes else None
    times = [_seconds(views["View.Start"][row]) for row in rows]
    jobs = Profiles(
        ids=tuple(str(job) for job in sorted(first)),
        fields={**fields, "Position": titles},
        codes=None if found is None else found[: len(titles)],
    )
    candidates = Profiles(
        ids=tuple(map(str, people)), codes=None if found is None else found[len(titles) :]
    )
    raw = [
        RawEvent(str(views["Applicant.ID"][row]), str(views["Job.ID"][row]), "view", time)
        for row, time in zip(rows, times, strict=True)
    ]
    return build(candidates, jobs, raw, until=None)


def prospects(args: argparse.Namespace, *, codes: bool = True) -> MatchData:
    """Applies with dates, entered by recruiters; jobs with a title, people as ids."""
    events, jobs = read(args, PROSPECTS[0]), read(args, PROSPECTS[1])
    titles = [title or "" for title in jobs["title"]]
    raw = [
        RawEvent(str(candidate), str(job), action, datetime.combine(day, time()))
        for candidate, job, action, day in zip(
            events["candidate"], events["job"], events["action"], events["occurred_at"], strict=True
        )
    ]
    profiles = Profiles(
        ids=tuple(map(str, jobs["id"])),
        fields={"title": titles, "mode": jobs["mode"]},
        codes=codes_of(args, titles) if codes else None,
    )
    return build(None, profiles, raw[: 3000 if args.quick else None], until=None)


def xing(args: argparse.Namespace) -> MatchData:
    """Replies with times; ids only."""
    found = read(args, XING[0])
    raw = [
        RawEvent(str(candidate), str(job), "reply", float(time))
        for candidate, job, time in zip(
            found["user_id"], found["item_id"], found["created_at"], strict=True
        )
    ]
    raw = raw[: 3000 if args.quick else None]
    jobs = Profiles(ids=tuple(sorted({event.job for event in raw})))
    return build(None, jobs, raw, until=None)


def resumes(args: argparse.Namespace) -> tuple[list[str], list[str]]:
    """Texts and categories."""
    found = read(args, RESUMES[0])
    n = 300 if args.quick else None
    return [text or "" for text in found["text"]][:n], found["category"][:n]


def _seconds(time: Any) -> float:
    """Of a cell such as 2014-12-12 20:12:35 UTC."""
    if not isinstance(time, str):
        return float(time.timestamp())
    parsed = pc.strptime(time.removesuffix(" UTC"), format="%Y-%m-%d %H:%M:%S", unit="s")
    return float(parsed.cast(pa.int64()).as_py())


def _joined(
    left: dict[str, list[Any]], others: list[dict[str, list[Any]]], key: str
) -> dict[str, list[Any]]:
    """Columns of all tables for the rows of the first; None where another has no such row."""
    joined = dict(left)
    for table in others:
        row = {id: number for number, id in enumerate(table[key])}
        places = [row.get(id) for id in left[key]]
        for name, values in table.items():
            if name != key:
                joined[name] = [None if place is None else values[place] for place in places]
    return joined
