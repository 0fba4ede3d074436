"""A team's months: batches of labels, `jobtool retrain` after each, bad ones among them.

python bench/months.py [--data ../shared/data] [--sets NAME ...] [--seeds N] [--picture FILE]
                       [--quick] [--json] [--check]

Postings of the future, a fifth of a set and never imported, score the live model after each step,
beside training from scratch on the same labels, plain methods on them, and the tags' names alone.
The months begin with a file sorted by tag; later a tag is renamed, a new one comes with three
examples, then ten, then thirty, one is retired, and two bad batches come: labels that slipped three
rows, and tags that changed places. Everything goes through a database, as a team's would. A small
team starts with 30 labels and adds 30 at a time. Costs are processor seconds.
"""

import argparse
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from common import (
    Check,
    Result,
    Row,
    labelled_jobs,
    mean,
    run,
    say,
    tagger_config,
    unlabelled_jobs,
)
from month_steps import (
    NEW_TAG_FROM,
    PERMUTED,
    SLIPPED,
    Labels,
    Step,
    Team,
    make_team,
    months,
    small,
)

from db import migrate
from db.engine import open_engine, reading, writing
from db.importing import import_jobs
from db.registry import CHAMPION, aliased
from db.retrain import retrain
from db.rows import JobRow
from db.tags import rename_tag, retire_tag
from jobtool.trainer import Trainer
from tagger.baselines import LEARNED, Sample, names_alone, plain_texts
from tagger.features import Counted
from tagger.jobs import Job
from tagger.labels import UNKNOWN, YES
from tagger.metrics import average_precision
from tagger.model import TagModel
from tagger.tagger import JobTagger, TaggerConfig, count_all

FloatArray = npt.NDArray[np.floating[Any]]

MONTH_SETS = ("wuzzuf", "indeed", "remoteintech", "analytics_eng")
N_UNLABELLED = 1000
BETTER = 0.02
"""By so much a challenger is truly better."""
MIN_FUTURE = 3
"""Postings of the future with a tag that it takes to score it."""
RENAMED = "renamed by the team"
LIVE, SCRATCH, NAMES = "live", "from scratch", "names alone"
PEERS = tuple(peer.name for peer in LEARNED)


def main() -> int:
    def options(parser: argparse.ArgumentParser) -> None:
        parser.add_argument("--seeds", type=int, default=1, metavar="N", help="orders to average")
        parser.add_argument(
            "--sets", nargs="+", choices=MONTH_SETS, default=MONTH_SETS, help="only these"
        )
        parser.add_argument("--picture", type=Path, metavar="FILE", help="draw it as SVG or PNG")

    return run(__doc__ or "", measure, options=options)


@dataclass(slots=True)
class Told:
    """What came of one step."""

    scores: dict[str, float]
    promoted: bool
    held: bool
    n_labelled: int
    seconds: dict[str, float] = field(default_factory=dict)
    verdict: str = ""
    n_new: int = 0
    """Examples of the new tag so far."""
    new_tag: dict[str, float] = field(default_factory=dict)
    """Average precision of the new tag alone."""


def measure(args: argparse.Namespace) -> Result:
    config = tagger_config(args)
    tables: dict[str, list[Row]] = {}
    told: dict[tuple[str, str], list[list[Told]]] = {}
    others = unlabelled_jobs(args, N_UNLABELLED)
    for name in args.sets[:1] if args.quick else args.sets:
        jobs = labelled_jobs(args, name)
        for seed in range(1 if args.quick else args.seeds):
            team = make_team(name, jobs, others, seed, args.quick)
            for size, steps in (("a team", months(team, seed)), ("a small team", small(team))):
                if args.quick:
                    steps = steps[:3]
                told.setdefault((name, size), []).append(play(team, steps, config, seed))
    for (name, size), runs in told.items():
        tables[f"{name}, {size}: mean AP on postings of the future"] = as_rows(runs)
        if size == "a team" and len(runs[0]) > NEW_TAG_FROM:
            tables[f"{name}: AP of the new tag alone"] = new_tag_rows(runs)
    if args.picture:
        draw(told, args.picture)
    return Result(tables, checks(told))


def play(team: Team, steps: Sequence[Step], config: TaggerConfig, seed: int) -> list[Told]:
    """Import, retrain and score, step by step."""
    asked, found = count_all(team.future), []
    names = {tag: tag for tag in team.tags}
    """The set's name of a tag -> what it is called now."""
    retired: set[str] = set()
    good: list[int] = []
    given = np.full(team.Y.shape, UNKNOWN, np.int8)
    """Right labels that the team has given so far."""
    with tempfile.TemporaryDirectory() as folder:
        engine = open_engine(str(Path(folder) / "jobs.db"))
        migrate.upgrade(engine)
        store, trainer = Path(folder) / "models", Trainer(seed, config)
        _import(engine, [_row(job, f"u{i}") for i, job in enumerate(team.unlabelled)], "others")
        for number, step in enumerate(steps):
            with writing(engine) as session:
                if step.renames:
                    rename_tag(session, step.renames, RENAMED)
                    names[step.renames] = RENAMED
                if step.retires:
                    retire_tag(session, step.retires)
                    retired.add(step.retires)
            rows = [
                _row(team.jobs[i], str(i), said, [names[tag] for tag in team.tags])
                for i, said in zip(step.rows, step.Y, strict=True)
            ]
            _import(engine, rows, f"batch {number + 1}")
            began = time.process_time()
            report = retrain(engine, store, trainer)
            seconds = time.process_time() - began
            if not step.is_wrong:
                good += step.rows.tolist()
                given[step.rows] = step.Y
            told = _score(team, engine, store, asked, names, retired, (good, given), config, seed)
            told.promoted, told.held = report.promoted, bool(report.held_batches)
            told.seconds[LIVE], told.verdict = seconds, report.verdict
            found.append(told)
            say(
                f"{team.name}, {step.what}: {'live' if report.promoted else 'kept out'}"
                f"{', held' if told.held else ''}, AP {told.scores[LIVE]:.3f}, scratch "
                f"{told.scores[SCRATCH]:.3f}, {seconds:.0f} s of {told.seconds[SCRATCH]:.0f} s; "
                f"{report.verdict}"
            )
        engine.dispose()
    return found


def _row(job: Job, name: str, said: Labels | None = None, tags: Sequence[str] = ()) -> JobRow:
    if said is None:
        return JobRow(line=1, id=name, title=job.title, text=job.text)
    yes, no = (
        tuple(tag for tag, label in zip(tags, said, strict=True) if label == wanted)
        for wanted in (YES, 0)
    )
    return JobRow(line=1, id=name, title=job.title, text=job.text, tags=yes, not_tags=no)


def _import(engine: Any, rows: Sequence[JobRow], name: str) -> None:
    import_jobs(engine, iter(rows), reject=lambda *problem: say(f"rejected: {problem}"), name=name)


def _score(
    team: Team,
    engine: Any,
    store: Path,
    asked: Counted,
    names: dict[str, str],
    retired: set[str],
    labelled: tuple[list[int], Labels],
    config: TaggerConfig,
    seed: int,
) -> Told:
    """Mean AP of all, over tags with a label and with enough postings of the future."""
    good, given = labelled
    scored = [
        t
        for t, tag in enumerate(team.tags)
        if (team.future_Y[:, t] == YES).sum() >= MIN_FUTURE
        and tag not in retired
        and (given[:, t] == YES).any()
    ]
    with reading(engine) as session:
        champion = aliased(session, CHAMPION)
        folder = store / champion.folder if champion else None
    P = np.zeros(team.future_Y.shape)
    if folder:
        model = TagModel.load(folder)
        said = model.proba_of(asked)
        for t, tag in enumerate(team.tags):
            if names[tag] in model.tags:
                P[:, t] = said[:, model.tags.index(names[tag])]
    proba: dict[str, FloatArray] = {LIVE: P}
    jobs, Y = [team.jobs[i] for i in good], given[good]
    began = time.process_time()
    scratch = JobTagger(config, seed=seed).fit_counted(
        count_all(jobs), Y, [names[tag] for tag in team.tags], count_all(team.unlabelled)
    )
    seconds = {SCRATCH: time.process_time() - began}
    proba[SCRATCH] = scratch.model_.proba_of(asked)
    proba[NAMES] = names_alone(scratch.model_.names, asked)
    sample = Sample(plain_texts(jobs), count_all(jobs))
    questions = Sample(plain_texts(team.future), asked)
    for peer in LEARNED:
        if peer.name in PEERS:
            fitted = peer(seed=seed).fit(sample, Y, count_all([]))
            proba[peer.name] = fitted.predict_proba(questions)
    scores = {
        name: float(
            np.nanmean([average_precision(team.future_Y[:, t], found[:, t]) for t in scored])
        )
        for name, found in proba.items()
    }
    told = Told(scores, False, False, len(good), seconds)
    new = int((team.Y == YES).sum(axis=0).argmax())
    told.n_new = int((given[:, new] == YES).sum())
    told.new_tag = {
        name: average_precision(team.future_Y[:, new], found[:, new])
        for name, found in proba.items()
    }
    return told


def as_rows(runs: Sequence[Sequence[Told]]) -> list[Row]:
    """One row per step, means over the runs."""
    rows = []
    for number in range(min(map(len, runs))):
        step = [run[number] for run in runs]
        rows.append(
            {"labels": step[0].n_labelled}
            | {name: mean(one.scores[name] for one in step) for name in step[0].scores}
            | {
                "went live": mean(one.promoted for one in step),
                "held": mean(one.held for one in step),
                "cost / scratch": mean(one.seconds[LIVE] for one in step)
                / mean(one.seconds[SCRATCH] for one in step),
            }
        )
    return rows


def new_tag_rows(runs: Sequence[Sequence[Told]]) -> list[Row]:
    """One row per step from when the tag comes, means over the runs."""
    steps = [[run[number] for run in runs] for number in range(NEW_TAG_FROM, min(map(len, runs)))]
    return [
        {"examples": mean(one.n_new for one in step)}
        | {name: mean(one.new_tag[name] for one in step) for name in step[0].new_tag}
        for step in steps
    ]


def draw(told: dict[tuple[str, str], list[list[Told]]], path: Path) -> None:
    """Mean AP by step, a panel per set and team."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(4.5 * 2, 3.2 * ((len(told) + 1) // 2)), layout="constrained")
    panels = figure.subplots((len(told) + 1) // 2, 2, squeeze=False).ravel()
    for axes, ((name, size), runs) in zip(panels, told.items(), strict=False):
        n_steps = min(map(len, runs))
        for method in runs[0][0].scores:
            values = [mean(run[i].scores[method] for run in runs) for i in range(n_steps)]
            axes.plot(range(1, n_steps + 1), values, marker="." if method == LIVE else "")
            axes.lines[-1].set(label=method, linewidth=2 if method == LIVE else 1)
        axes.set(title=f"{name}, {size}", xlabel="retrain", ylabel="mean AP")
    for axes in panels[len(told) :]:
        axes.set_axis_off()
    panels[0].legend(fontsize="x-small")
    figure.savefig(path)
    say(f"wrote {path}")


def wrong(told: dict[tuple[str, str], list[list[Told]]]) -> list[Told]:
    return [
        one
        for (_, size), runs in told.items()
        for run in runs
        for number, one in enumerate(run)
        if size == "a team" and number in (SLIPPED, PERMUTED)
    ] or [Told({}, False, True, 0)]


def missed(told: dict[tuple[str, str], list[list[Told]]]) -> list[bool]:
    """For each step: it was kept out, and scratch was better by BETTER, here and a step before."""
    return [
        all(
            one.scores[SCRATCH] - one.scores[LIVE] >= BETTER and not one.promoted
            for one in run[number - 1 : number + 1]
        )
        for runs in told.values()
        for run in runs
        for number in range(1, len(run))
    ]


def checks(told: dict[tuple[str, str], list[list[Told]]]) -> list[Check]:
    claims = []
    every = [
        (key, number, one)
        for key, runs in told.items()
        for run in runs
        for number, one in enumerate(run)
    ]
    team = [one for (_, size), _, one in every if size == "a team"]
    best = [one.scores[LIVE] / max(one.scores[peer] for peer in PEERS) for one in team]
    claims += [
        Check(
            "live / from scratch, worst step",
            min(one.scores[LIVE] / one.scores[SCRATCH] for one in team),
            low=0.99,
        ),
        Check("live / best plain method, worst step", min(best), low=1.0),
        Check("live / best plain method", mean(best), low=1.05),
    ]
    few = [
        one.scores[LIVE] / one.scores[SCRATCH]
        for (_, size), number, one in every
        if size == "a small team" and number
    ]
    claims.append(
        Check("a small team, from its second step: live / from scratch", min(few), low=0.9)
    )
    claims.append(
        Check("wrong batches that were not held", mean(not one.held for one in wrong(told)), high=0)
    )
    claims.append(
        Check("steps without the better model for two steps", mean(missed(told)), high=0.0)
    )
    later = [one for _, number, one in every if number]
    claims.append(
        Check(
            "processor time of later retrains / from scratch",
            sum(one.seconds[LIVE] for one in later) / sum(one.seconds[SCRATCH] for one in later),
            high=0.2,
        )
    )
    return claims


if __name__ == "__main__":
    sys.exit(main())
