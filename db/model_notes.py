"""What people must know of a model: that it has no labels yet, or hardly knows some tags."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from sqlalchemy import select
from sqlalchemy.orm import Session

from db.schema import Model, ModelTag, Tag

NO_LABELS = "without labels yet"
NOT_CALIBRATED = "knows tags by their names alone, not calibrated"
_N_NAMED = 10


def has_no_labels(model: Model) -> bool:
    """Whether a model has learned from no label at all; False where that is not known."""
    return bool(model.metrics.get("n_labelled") == 0)


@dataclass(frozen=True, slots=True)
class TagNotes:
    """Tags that a model hardly knows, in the order of their positions.

    A tag may be both without labels and never given.
    """

    without_labels: tuple[str, ...]
    """Known by their names alone."""
    rough: tuple[str, ...]
    """Learned from few examples: scores and thresholds are rough."""
    never_given: tuple[str, ...]
    """Without a threshold: not learned."""

    def lines(self) -> Iterator[str]:
        """One line for each kind that there is, with a count and the first names."""
        kinds = (
            (self.without_labels, "no labels yet, known by name alone, not calibrated"),
            (self.rough, "few examples, scores and thresholds are rough"),
            (self.never_given, "not learned, never given"),
        )
        for tags, what in kinds:
            if tags:
                yield f"{what}: {_named(tags)}"

    def short(self) -> str:
        """The counts alone, on one line; empty where there is nothing to say."""
        counted = (
            (self.without_labels, "without labels yet"),
            (self.rough, "rough (few examples)"),
            (self.never_given, "never given"),
        )
        return ", ".join(f"{len(tags):,} {what}" for tags, what in counted if tags)


def tag_notes(session: Session, model: Model) -> TagNotes:
    """What must be known of the tags of a registered model."""
    query = (
        select(Tag.name, ModelTag.threshold, ModelTag.n_yes, ModelTag.remark)
        .join(ModelTag, ModelTag.tag_id == Tag.id)
        .where(ModelTag.model_id == model.id)
        .order_by(Tag.position)
    )
    rows = session.execute(query).all()
    return TagNotes(
        without_labels=tuple(name for name, _, n_yes, _ in rows if n_yes == 0),
        rough=tuple(name for name, _, n_yes, remark in rows if n_yes and remark),
        never_given=tuple(name for name, threshold, _, _ in rows if threshold is None),
    )


def tag_remarks(session: Session, model: Model) -> dict[str, str]:
    """Tag -> remark, where a model has one."""
    query = (
        select(Tag.name, ModelTag.remark)
        .join(ModelTag, ModelTag.tag_id == Tag.id)
        .where(ModelTag.model_id == model.id)
        .order_by(Tag.position)
    )
    return {name: remark for name, remark in session.execute(query) if remark}


def _named(tags: Sequence[str]) -> str:
    """The first names, and how many more there are.

    Examples
    --------
    >>> _named(["a"]), _named(["a", "b"])
    ('1 tag (a)', '2 tags (a, b)')
    >>> _named([f"t{n}" for n in range(1200)])
    '1,200 tags (t0, t1, t2, t3, t4, t5, t6, t7, t8, t9 and 1,190 others)'
    """
    named = ", ".join(tags[:_N_NAMED])
    more = f" and {len(tags) - _N_NAMED:,} others" if len(tags) > _N_NAMED else ""
    many = "1 tag" if len(tags) == 1 else f"{len(tags):,} tags"
    return f"{many} ({named}{more})"
