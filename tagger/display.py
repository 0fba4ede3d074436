"""What the commands print: plain sentences, and tables by rich."""

import json
import shutil
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer

from tagger.grid import print_grid
from tagger.harmless import shown

if TYPE_CHECKING:
    from tagger.demo import Demo
    from tagger.evaluation import Evaluation
    from tagger.jobs import Job
    from tagger.model import FloatArray, Reason, TagModel
    from tagger.tagged import TaggedJob
    from tagger.training import TrainingReport

N_SHOWN = 10
"""Tags of a posting that are shown even where they are neither given nor in doubt."""
N_REASONS = 4
N_MISTAKES = 6
MAX_TITLE = 45
"""Characters of a title, so that there is room in a line for what stands beside it."""
NOTHING = "\N{EN DASH}"  # stands where a number is not defined
NO_LABELS = (
    "No labels yet: the model knows tags by their names and words alone; nothing is calibrated."
)


def print_json(value: Mapping[str, Any]) -> None:
    typer.echo(json.dumps(value, ensure_ascii=False, indent=2))


def print_training(report: "TrainingReport") -> None:
    typer.echo(f"{_trained(report.to_json())} in {report.seconds:.0f} s.\n")
    _print_tags(report.tags)
    typer.echo(
        f"{_metrics(report.metrics, len(report.tags), report.n_labelled)}\n\n"
        f"Model:           {report.model}\n"
        f"Learning curves: {report.logs}\n"
        f"Next:            jobtool tag --model {report.model} POSTING.txt"
    )


def print_model(facts: Mapping[str, Any], tags: Sequence[Mapping[str, Any]]) -> None:
    typer.echo(
        f"{facts['model']}: whole, {facts['bytes'] / 1e6:.0f} MB, made by jobtool "
        f"{facts['version']} on {facts['created']}, seed {facts['seed']}\n{_trained(facts)}.\n"
    )
    _print_tags(tags)
    typer.echo(_metrics(facts["metrics"], len(tags), facts["n_labelled"]))


def print_posting(
    tagged: "TaggedJob", model: "TagModel", promised: "FloatArray | None" = None
) -> None:
    """All tags that are given or in doubt, and the next best up to `N_SHOWN`."""
    limits = model.thresholds if promised is None else promised
    thresholds = dict(zip(model.tags, limits.tolist(), strict=True))
    ranked = sorted(tagged.scores, key=lambda tag: -tagged.scores[tag])
    told = {*tagged.tags, *tagged.review}
    listed = [tag for place, tag in enumerate(ranked) if tag in told or place < N_SHOWN]
    reasons = tagged.reasons
    rows = [
        [
            tag,
            f"{tagged.scores[tag]:.3f}",
            _score(thresholds[tag], 3),
            _verdict(tagged, tag, thresholds[tag]),
            *([] if reasons is None else _raised_lowered(reasons[tag])),
        ]
        for tag in listed
    ]
    words = () if reasons is None else ("raised by", "lowered by")
    print_grid(("tag", "proba", "threshold", "verdict", *words), rows, right=(1, 2))
    if len(listed) < len(ranked):
        rest = tagged.scores[next(tag for tag in ranked if tag not in listed)]
        typer.echo(f"{n_of(len(ranked) - len(listed), 'more tag')}, at most {rest:.3f}")
    if model.without_labels:
        typer.echo(NO_LABELS)


def print_evaluation(evaluation: "Evaluation") -> None:
    for name, value in evaluation.info.items():
        typer.echo(f"{name}: {value}")
    typer.echo()
    _print_scores(evaluation)
    tags = [
        (
            row["tag"],
            row["support"],
            row["predicted"],
            *(_score(row[name]) for name in ("threshold", "precision", "recall", "f1")),
            _score(row["average_precision"]),
        )
        for row in evaluation.tag_rows
    ]
    names = ("tag", "jobs", "given", "threshold", "precision", "recall", "F1", "AP")
    typer.echo(f"\nTags, as {evaluation.name} gives them:")
    print_grid(names, tags, right=range(1, 8))
    typer.echo()
    _print_remarks(evaluation.tag_rows)


def print_demo(demo: "Demo") -> None:
    typer.echo(
        f"\nTrained on {demo.n_labelled} postings with tags and {demo.n_unlabelled} without. "
        "Scores of models that\nlearned from three quarters of them, on the quarter left out, "
        "beside simpler methods.\nDay zero has read the texts of all of them, but no label:\n"
    )
    _print_scores(demo.evaluation)
    typer.echo(
        f"\n{len(demo.mistakes)} of the {demo.n_labelled} got a wrong tag or miss one, such as:\n"
    )
    print_grid(
        ("posting left out", "wrongly given", "missed"),
        [
            (_titled(m.job), ", ".join(m.wrong), ", ".join(m.missed))
            for m in demo.mistakes[:N_MISTAKES]
        ],
    )
    typer.echo(
        "\nTags for new postings that nobody has tagged. A person should look at those in doubt:\n"
    )
    print_grid(
        ("new posting", "tags given", "in doubt"),
        [
            (_titled(job), ", ".join(tagged.tags), ", ".join(tagged.review))
            for job, tagged in demo.new
        ],
    )
    jobtool = _command()
    typer.echo(
        f"\n{_ahead(demo.evaluation)}\n\n"
        f"Report: {demo.report} (open it in a browser)\n"
        f"Tags:   {demo.tags}\nModel:  {demo.model}\n"
        f"Took {demo.seconds:.0f} s. Now try:\n\n"
        f"  echo 'Night nurse, three nights a week, $38/hr' | "
        f"{jobtool} tag --model {demo.model} --explain\n"
        f"  {jobtool} info {demo.model}\n"
        f"  {jobtool} train YOUR_JOBS.csv --model model"
    )


def _ahead(evaluation: "Evaluation") -> str:
    """Who is ahead, without a word in our favour."""
    _, *others = evaluation.score_rows
    best = max(others, key=lambda row: row["mean_average_precision"] or 0.0)
    low, high = best["ahead_low"] or 0.0, best["ahead_high"] or 0.0  # bounds of 95%
    said = "ahead of" if low > 0 else "behind" if high < 0 else "level with"
    return (
        f"With so few postings the tags are rough, and jobtool is {said} the best simple method "
        f"here\n({best['method']}). Try it on your own: jobtool evaluate."
    )


def _command() -> str:
    """How to call us from here: by name, or by path where our environment is not active."""
    found = shutil.which("jobtool")
    own = Path(sys.executable).with_name("jobtool")
    if found or not own.exists():
        return "jobtool"
    here = Path.cwd()
    return str(own.relative_to(here) if own.is_relative_to(here) else own)


def n_of(count: int, thing: str) -> str:
    """A count with its noun.

    Examples
    --------
    >>> n_of(1, "job"), n_of(2000, "job")
    ('1 job', '2,000 jobs')
    """
    return f"{count:,} {thing}{'' if count == 1 else 's'}"


def _print_scores(evaluation: "Evaluation") -> None:
    rows = [
        (
            row["method"],
            _score(row["mean_average_precision"], 3),
            f"{_score(row['mean_average_precision_low'])}{NOTHING}"
            f"{_score(row['mean_average_precision_high'])}",
            _score(row["macro_f1"], 3),
            _score(row["micro_f1"], 3),
        )
        for row in evaluation.score_rows
    ]
    names = ("method", "mean AP", "95%", "macro F1", "micro F1")
    print_grid(names, rows, right=(1, 3, 4))
    if evaluation.narrow_rows:
        _print_narrow(evaluation)


def _print_narrow(evaluation: "Evaluation") -> None:
    """Our intervals beside those that unlabelled jobs make narrower."""
    called = {
        "mean_average_precision": "mean AP",
        "macro_f1": "macro F1",
        "micro_f1": "micro F1",
    }
    rows = [
        (
            called[row["score"]],
            *(
                f"{_score(row[low], 3)}{NOTHING}{_score(row[high], 3)}"
                for low, high in (("bootstrap_low", "bootstrap_high"), ("low", "high"))
            ),
            _score(row["width_ratio"]),
        )
        for row in evaluation.narrow_rows
    ]
    n = evaluation.narrow_rows[0]["unlabelled"]
    typer.echo(f"\n95% intervals of {evaluation.name}, and with {n_of(n, 'unlabelled job')}:")
    print_grid(("score", "bootstrap", "with unlabelled", "width"), rows, right=(3,))


def _print_tags(tags: Sequence[Mapping[str, Any]]) -> None:
    rows = [(row["tag"], row["yes"], row["no"], _score(row["threshold"], 3)) for row in tags]
    print_grid(("tag", "yes", "no", "threshold"), rows, right=(1, 2, 3))
    typer.echo()
    _print_remarks(tags)


def _print_remarks(tags: Sequence[Mapping[str, Any]]) -> None:
    same: dict[str, list[str]] = {}
    for row in tags:
        if row["remark"]:
            same.setdefault(row["remark"], []).append(row["tag"])
    for remark, names in same.items():
        typer.echo(shown(f"{', '.join(names)}: {remark}"))
    if same:
        typer.echo()


def _trained(facts: Mapping[str, Any]) -> str:
    return (
        f"Trained on {n_of(facts['n_labelled'], 'job')} with tags "
        f"and {facts['n_unlabelled']:,} without"
    )


def _metrics(metrics: Mapping[str, Any], n_tags: int, n_labelled: int) -> str:
    if not n_labelled:
        return f"{NO_LABELS}\nLabel some jobs and train again."
    if metrics["mean_average_precision"] is None:
        return (
            "No tag can be measured yet: that takes different jobs, some with the tag and some\n"
            "without it. Label more jobs and train again."
        )
    scored = metrics["n_scored_tags"]
    covers = (
        f" (means over all {n_of(n_tags, 'tag')})"
        if scored == n_tags
        else f" (means over the {scored:,} of {n_of(n_tags, 'tag')} that can be measured)"
    )
    return (
        f"mean AP {_score(metrics['mean_average_precision'], 3)}, "
        f"macro F1 {_score(metrics['macro_f1'], 3)}, micro F1 {_score(metrics['micro_f1'], 3)} "
        f"on jobs that were left out of training in turn{covers}\n{_paths(metrics)}"
    )


def _paths(metrics: Mapping[str, Any]) -> str:
    """What each path counts, and in plain words where the network counts nothing."""
    weights = metrics["path_weights"]
    told = ", ".join(f"{name} {weight:.2f}" for name, weight in weights.items())
    unused = "" if weights["code"] >= 0.005 else ". The network on the codes adds nothing here"
    return f"mean weights of the paths: {told}{unused}"


def _verdict(tagged: "TaggedJob", tag: str, threshold: float) -> str:
    if threshold != threshold and tag not in tagged.review:
        return "never given"
    said = ["given"] if tag in tagged.tags else []
    return ", ".join([*said, "in doubt"] if tag in tagged.review else said)


def _raised_lowered(reasons: "Sequence[Reason]") -> tuple[str, str]:
    """The strongest terms that raised a tag and those that lowered it, weak ones left out."""
    from tagger.tagged import signed  # loads numpy; --help must not

    strong = [reason for reason in reasons if abs(reason.effect) >= 0.05]
    raised = [reason for reason in strong if reason.effect > 0]
    lowered = [reason for reason in strong if reason.effect < 0]
    return signed(raised[:N_REASONS]), signed(lowered[:N_REASONS])


def _score(value: float | None, digits: int = 2) -> str:
    return NOTHING if value is None or value != value else f"{value:.{digits}f}"


def _titled(job: "Job") -> str:
    """A title that leaves room in a line for what stands beside it."""
    title = job.title.strip() or "(no title)"
    return title if len(title) <= MAX_TITLE else f"{title[: MAX_TITLE - 1].rstrip()}…"
