"""Who judges in a retrain: the live model new batches of labels, all labels the challenger."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from sqlalchemy import Engine, select
from sqlalchemy.orm import Session

from db.batches import decide, new_batches
from db.engine import reading_snapshot, take_turns, writing
from db.gate import Bar, Comparison, Judgement, judge
from db.model_notes import has_no_labels
from db.registry import ANCHOR, CHAMPION, aliased, learned_positions
from db.schema import Model, Tag, TagAlias
from db.snapshot import Snapshot
from db.trainer import Trainer

Tell = Callable[[str], object]
"""Is told in a line what begins and what came of it."""


def look_at_batches(engine: Engine, store: Path, trainer: Trainer, tell: Tell) -> tuple[int, ...]:
    """Let the live model look at new batches of labels; ids of those that are held from now on."""
    with reading_snapshot(engine) as session:
        champion = aliased(session, CHAMPION)
        if champion is None or has_no_labels(champion):
            return ()
        new = new_batches(session, champion)
        renamed = renamed_tags(session)
        folder, model_id = store / champion.folder, champion.id
    if not new:
        return ()
    unknown = [batch for batch in new if batch.jobs]  # of the rest the model has learned already
    checks = {}
    if unknown:
        many = "1 new batch" if len(unknown) == 1 else f"{len(unknown):,} new batches"
        tell(f"looking at {many} of labels with model {model_id}")
        found = trainer.check(folder, [batch.jobs for batch in unknown], renamed)
        checks = {batch.id: check for batch, check in zip(unknown, found, strict=True)}
    with writing(engine) as session:
        take_turns(session)
        held = decide(session, new, checks)
        lines = [(row.id, row.name, row.labeller, row.reason) for row in held]
    for number, name, labeller, why in lines:
        tell(
            f"HELD: batch {number} ({name}, by {labeller}): {why}. See jobtool labels batches "
            f"{number}; if it is right, jobtool labels release {number}"
        )
    return tuple(number for number, *_ in lines)


def renamed_tags(session: Session) -> dict[str, str]:
    """Old names of tags -> the ones they have now."""
    names = select(TagAlias.name, Tag.name).join(Tag, Tag.id == TagAlias.tag_id)
    return dict(session.execute(names).all())


@dataclass(frozen=True, slots=True)
class Rival:
    """A model that the challenger is compared with."""

    model: Model
    positions: Mapping[int, int]
    """Job -> its place among the labelled jobs that it learned from."""


@dataclass(frozen=True, slots=True)
class Rivals:
    """What the challenger must pass."""

    champion: Rival | None
    anchor: Rival | None
    """The best champion so far, if that is another one, and its folder is there."""
    renamed: Mapping[str, str]
    """Old names of tags -> the ones they have now."""


@dataclass(frozen=True, slots=True)
class Comparisons:
    """The challenger beside the champion (without one, beside the tags' names), and the anchor."""

    champion: Comparison | None
    anchor: Comparison | None


def find_rivals(session: Session, champion: Model | None) -> Rivals:
    """Whom the challenger will be compared with."""
    anchor = aliased(session, ANCHOR)
    if anchor is not None and (anchor.pruned_at or (champion and anchor.id == champion.id)):
        anchor = None

    def rival(model: Model | None) -> Rival | None:
        return Rival(model, learned_positions(session, model)) if model else None

    return Rivals(
        champion=rival(champion),
        anchor=rival(anchor),
        renamed=renamed_tags(session),
    )


def compare_with(
    rivals: Rivals,
    trainer: Trainer,
    snapshot: Snapshot,
    store: Path,
    challenger: Path,
    *,
    has_learned: bool = True,
) -> Comparisons:
    """Ask all models about the labelled jobs; nothing where there are none.

    Parameters
    ----------
    has_learned
        Whether the challenger has learned from the snapshot; else it was trained elsewhere.
    """
    jobs = snapshot.training
    if not jobs:
        return Comparisons(None, None)

    def beside(rival: Rival | None) -> Comparison:
        positions = rival.positions if rival else {}
        rows = [positions.get(job.id) for job in jobs]
        folder = store / rival.model.folder if rival else None
        return trainer.compare(
            snapshot, folder, challenger, rows, rivals.renamed, has_learned=has_learned
        )

    return Comparisons(beside(rivals.champion), beside(rivals.anchor) if rivals.anchor else None)


def judgement_of(
    rivals: Rivals, live: Model | None, found: Comparisons, snapshot: Snapshot, bar: Bar
) -> Judgement:
    """Whether the challenger goes live.

    Parameters
    ----------
    live
        The champion now: it may be another one than when the retrain began.
    """
    compared = rivals.champion.model.id if rivals.champion else None
    if (live.id if live else None) != compared:
        return Judgement(False, "another champion went live meanwhile: retrain again", False)
    if live and found.champion is None:
        if has_no_labels(live):
            return Judgement(True, "neither it nor the champion has learned labels")
        return Judgement(False, "there are no labelled jobs to judge by: label more", False)
    return judge(
        found.champion,
        bar,
        anchor=found.anchor,
        n_before=int(live.metrics.get("n_labelled") or 0) if live else 0,
        n_now=len(snapshot.training),
        is_first=live is None or has_no_labels(live),
    )
