"""What an alarm says in words: what changed, what it may mean, and what to do next."""

from dataclasses import dataclass
from shlex import quote

from db.drift import Week
from db.drift_figures import Figure

N_TO_LABEL = 50
"""Postings that are enough to see whether the model errs on what is new."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Alarm:
    """A change in a week, for people."""

    key: str
    """The same for the same change in another week."""
    title: str
    """In a few words."""
    changed: str
    """What changed, with figures."""
    meaning: str
    """What it may mean."""
    steps: tuple[str, ...]
    """What to do next; commands begin with ``jobtool``."""


def alarms_of(week: Week) -> list[Alarm]:
    """The alarms of a week. A tag whose share changed is not named again for its scores."""
    tags = {figure.name for figure in week.alarms if figure.kind == "tag"}
    return [
        _TELL[figure.kind](week, figure)
        for figure in week.alarms
        if figure.kind != "score" or figure.name not in tags
    ]


def _source(week: Week, figure: Figure) -> Alarm:
    name, is_up = figure.name, figure.after > figure.before
    shares = f"{figure.after:.1%} of this week's postings, {figure.before:.1%} of those it knows"
    if is_up:
        is_new = figure.before == 0
        return Alarm(
            key=figure.key,
            title=f"{'new source' if is_new else 'more from source'} {name}",
            changed=f"{name}: {shares}.",
            meaning=(
                "The live model has never seen postings from there; it may err on them."
                if is_new
                else "The live model knows few postings from there; it may err on them."
            ),
            steps=(
                f"Label {N_TO_LABEL} of them: jobtool label --source {quote(name)}",
                "Then train on them: jobtool retrain",
            ),
        )
    return Alarm(
        key=figure.key,
        title=f"less from source {name}",
        changed=f"{name}: {shares}.",
        meaning="A feed or its import may have stopped, or another source has grown.",
        steps=(f"Check the import of {name}", "If it was stopped on purpose: jobtool retrain"),
    )


def _tag(week: Week, figure: Figure) -> Alarm:
    direction = "more" if figure.after > figure.before else "less"
    return Alarm(
        key=figure.key,
        title=f"{figure.name} is given {direction} often",
        changed=(
            f"{figure.name}: given to {figure.after:.1%} of this week's postings, to "
            f"{figure.before:.1%} of the postings that the model knows."
        ),
        meaning="The postings have changed, or the model errs on what is new in them.",
        steps=_label_tag(week, figure.name),
    )


def _score(week: Week, figure: Figure) -> Alarm:
    direction = "higher" if figure.after > figure.before else "lower"
    return Alarm(
        key=figure.key,
        title=f"{figure.name} has {direction} scores",
        changed=(
            f"{figure.name}: mean score (logit) {figure.after:+.2f}, {figure.before:+.2f} on the "
            "postings that the model knows."
        ),
        meaning=(
            "The postings have changed; the tag's threshold may no longer fit them, although it is "
            "given about as often as before."
        ),
        steps=_label_tag(week, figure.name),
    )


def _label_tag(week: Week, tag: str) -> tuple[str, ...]:
    return (
        f"See whether the model is right on {N_TO_LABEL} postings: "
        f"jobtool label --tag {quote(tag)} --since {week.begins}",
        "If it is not: jobtool retrain",
    )


def _words(week: Week, figure: Figure) -> Alarm:
    unknown, before = 1 - figure.after, 1 - figure.before
    if figure.after > figure.before:
        return Alarm(
            key=figure.key,
            title="fewer unknown words",
            changed=f"{unknown:.1%} of a posting's words are unknown, {before:.1%} before.",
            meaning="Postings are more alike than before; a template or a repeated text may be in.",
            steps=(f"Look at a few: jobtool label --since {week.begins}",),
        )
    often = f" Most frequent: {', '.join(week.new_words)}." if week.new_words else ""
    return Alarm(
        key=figure.key,
        title="more unknown words",
        changed=f"{unknown:.1%} of a posting's words are unknown, {before:.1%} before.{often}",
        meaning="Another language, a new field of work, or markup that came into the text.",
        steps=(
            f"Label {N_TO_LABEL} postings: jobtool label --since {week.begins}",
            "If they are of a kind that your tags don't cover, add one: jobtool tags add TAG",
            "Then let the codes learn the new words: jobtool retrain --refresh-codes",
        ),
    )


def _codes(week: Week, figure: Figure) -> Alarm:
    return Alarm(
        key=figure.key,
        title="texts are unlike those the model knows",
        changed=f"The mean code of the week lies {figure.after:.2f} deviations from the reference.",
        meaning="Postings of another kind, or another mixture of kinds.",
        steps=_relearn(week),
    )


def _spread(week: Week, figure: Figure) -> Alarm:
    return Alarm(
        key=figure.key,
        title="more unusual texts",
        changed=(
            f"Codes lie {figure.after:.2f} deviations from the centre on the mean, "
            f"{figure.before:.2f} before."
        ),
        meaning="Unusual postings came in: another language, another field of work, broken texts.",
        steps=_relearn(week),
    )


def _relearn(week: Week) -> tuple[str, ...]:
    return (
        f"Label {N_TO_LABEL} postings: jobtool label --since {week.begins}",
        "Let the codes learn them: jobtool retrain --refresh-codes",
    )


_TELL = {
    "source": _source,
    "tag": _tag,
    "score": _score,
    "words": _words,
    "codes": _codes,
    "spread": _spread,
}
