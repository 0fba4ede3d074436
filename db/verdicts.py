"""A verdict of the gate as a page to read: what changed, tags won and lost, example postings."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from db.model_notes import NO_LABELS, NOT_CALIBRATED, TagNotes, has_no_labels
from db.schema import Model, Verdict

Details = Mapping[str, Any]


def verdict_page(
    verdict: Verdict,
    challenger: Model,
    champion: Model | None,
    notes: TagNotes,
    held: Sequence[str] = (),
) -> str:
    """Markdown that reads well as it is.

    Parameters
    ----------
    notes
        Of the challenger's tags.
    held
        Batches of labels that it did not learn from, a line each.
    """
    return "\n".join(_lines(verdict, challenger, champion, notes, held)) + "\n"


def _lines(
    verdict: Verdict,
    challenger: Model,
    champion: Model | None,
    notes: TagNotes,
    held: Sequence[str],
) -> Iterator[str]:
    outcome = "goes live" if verdict.promoted else "stays a challenger"
    yield f"# Model {challenger.id} {outcome}"
    yield ""
    yield f"{verdict.reason[:1].upper()}{verdict.reason[1:]}."
    yield ""
    yield f"- judged {verdict.judged_at:%F %R} UTC, retrain {verdict.run_id}"
    yield f"- challenger: {_model(challenger)}"
    details: Details = verdict.details
    if champion is not None:
        yield f"- champion: {_model(champion)}"
        if details:
            yield (
                f"- judged on {details['n_jobs']:,} labelled jobs, each model by answers about "
                "labels that it had not seen"
            )
        if anchor := details.get("anchor"):
            told = _number(anchor["mean_average_precision"]["value"], sign=True)
            yield f"- beside the best champion so far, model {anchor['model']}: {told}"
    if held:
        yield from ("", "## Batches of labels that are held", "")
        yield "The model has not learned from these; see `jobtool labels batches`."
        yield ""
        yield from (f"- {line}" for line in held)
    for number, line in enumerate(notes.lines()):
        if not number:
            yield from ("", "## Tags that are hardly known", "")
        yield f"- {line}"
    if champion is not None and details:
        yield from _comparison(details)


def _model(model: Model) -> str:
    told = f"model {model.id} ({model.folder})"
    if has_no_labels(model):
        return f"{told}, {NO_LABELS}: it {NOT_CALIBRATED}"
    return f"{told}, {model.metrics.get('n_labelled')} labelled jobs"


def _comparison(details: Details) -> Iterator[str]:
    yield from ("", "## Over all", "")
    scores = (("mean average precision", "mean_average_precision"), ("macro F1", "macro_f1"))
    yield from _table("score", [(name, details[key]) for name, key in scores])
    yield from ("", "## By tag (average precision)", "")
    tags = sorted(details["tags"], key=lambda one: one["average_precision"]["value"] or 0)
    yield from _table(
        "tag",
        [(f"{one['tag']} ({one['n_yes']} jobs)", one["average_precision"]) for one in tags],
    )
    for title, key in (("New tags", "new_tags"), ("Tags no longer learned", "dropped_tags")):
        if details[key]:
            yield from ("", f"{title}: {', '.join(details[key])}")
    yield from _examples(details["examples"])


def _table(head: str, rows: Sequence[tuple[str, Details]]) -> Iterator[str]:
    yield f"| {head} | champion | challenger | difference | 95 % interval | |"
    yield "|---|---|---|---|---|---|"
    for name, row in rows:
        low, high = row["low"], row["high"]
        mark = "" if low is None else "won" if low > 0 else "lost" if high < 0 else ""
        yield (
            f"| {name} | {_number(row['champion'])} | {_number(row['challenger'])} | "
            f"{_number(row['value'], sign=True)} | "
            f"{_number(low, sign=True)} to {_number(high, sign=True)} | {mark} |"
        )


def _examples(examples: Sequence[Details]) -> Iterator[str]:
    for title, sign in (("Postings that got worse", -1), ("Postings that got better", 1)):
        shown = [one for one in examples if one["better"] * sign > 0][:10]
        if shown:
            yield from ("", f"## {title}", "")
        for one in shown:
            changes = [f"+{tag}" for tag in one["gained"]] + [f"-{tag}" for tag in one["lost"]]
            yield f"- job {one['job_id']} {one['title']:.60}: {', '.join(changes)}"


def _number(value: float | None, *, sign: bool = False) -> str:
    return "?" if value is None else f"{value:+.3f}" if sign else f"{value:.3f}"
