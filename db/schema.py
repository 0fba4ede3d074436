"""The tables: typed, with named constraints. Migrations make them; nothing here touches a database.

What is said of a job's tag is either a person's (`Label`, an append-only history) or a model's
(`Prediction`); the two never share a table, so that none can pass for the other.
"""

from datetime import datetime
from functools import partial
from secrets import token_bytes
from typing import Any, ClassVar

from sqlalchemy import (
    JSON,
    BigInteger,
    CheckConstraint,
    ForeignKey,
    Index,
    MetaData,
    String,
    UniqueConstraint,
)
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column

from db.columns import (
    MAX_ID,
    MAX_NAME,
    NAMES,
    Answer,
    BatchState,
    Bytes,
    Hash,
    Id,
    LabelBatchState,
    LongText,
    RunState,
    Source,
    UtcDateTime,
    WordVerdict,
    belongs,
    enum,
    numbered,
)


class Base(DeclarativeBase):
    """Naming convention for constraints, and what Python's types are in SQL."""

    metadata = MetaData(naming_convention=NAMES)
    type_annotation_map: ClassVar[dict[Any, Any]] = {
        datetime: UtcDateTime(),
        dict[str, Any]: JSON(none_as_null=True),
    }


# ---- jobs and what people say of them


class Job(Base):
    """One posting."""

    __tablename__ = "jobs"
    id: Mapped[int] = numbered()
    external_id: Mapped[str] = mapped_column(String(MAX_ID), unique=True)
    """The team's own id of the job."""
    title: Mapped[str] = mapped_column(LongText)
    text: Mapped[str] = mapped_column(LongText)
    fields: Mapped[dict[str, Any] | None]
    """The other columns of the import, as they came (salary, category, ...)."""
    posted_at: Mapped[datetime | None] = mapped_column(index=True)
    imported_at: Mapped[datetime]
    text_hash: Mapped[bytes] = mapped_column(Hash)
    """Of title and text: tells whether an import changes the posting."""
    canonical_id: Mapped[int | None] = mapped_column(
        Id, ForeignKey("jobs.id", ondelete="SET NULL"), index=True
    )
    """The job that this one repeats; None for one that repeats none. Never a chain: the canonical
    job of a repost is no repost itself. `canonical_id` or else `id` names the duplicate group."""
    salt: Mapped[bytes] = mapped_column(Hash, default=partial(token_bytes, 16))
    """What the audit log mixes into hashes of what is said of the job: once it is gone, nobody can
    find out by guessing what was hashed."""


class JobBand(Base):
    """One band of a job's MinHash signature: near-duplicates share one."""

    __tablename__ = "job_bands"
    __table_args__ = ({"sqlite_with_rowid": False},)
    band: Mapped[int] = mapped_column(BigInteger, primary_key=True, autoincrement=False)
    job_id: Mapped[int] = belongs("jobs.id", primary_key=True, index=True)


class Tag(Base):
    """A tag of the team's list. `position` is its column in every model, and never reused."""

    __tablename__ = "tags"
    id: Mapped[int] = numbered()
    name: Mapped[str] = mapped_column(String(MAX_NAME), unique=True)
    position: Mapped[int] = mapped_column(unique=True)
    retired_at: Mapped[datetime | None]
    """From then on no model learns it; what was said of it stays."""


class TagAlias(Base):
    """Another name for a tag."""

    __tablename__ = "tag_aliases"
    name: Mapped[str] = mapped_column(String(MAX_NAME), primary_key=True)
    tag_id: Mapped[int] = belongs("tags.id", index=True)


class TagFact(Base):
    """What somebody says of a tag: a line of history, never changed. A tag's last line holds."""

    __tablename__ = "tag_facts"
    __table_args__ = (CheckConstraint("share > 0 AND share < 1", name="share"),)
    id: Mapped[int] = numbered()
    tag_id: Mapped[int] = belongs("tags.id", index=True)
    description: Mapped[str] = mapped_column(LongText)
    """What the team means by it; may be empty."""
    share: Mapped[float | None]
    """Expected share of postings that carry it, in (0, 1); None if nobody said."""
    said_by: Mapped[str] = mapped_column(String(MAX_NAME))
    said_at: Mapped[datetime]


class TagWord(Base):
    """What somebody says of a word and a tag: a line of history, never changed.

    The last line of a (tag, word) holds; capitals don't make another word. See `db.tag_info`.
    """

    __tablename__ = "tag_words"
    id: Mapped[int] = numbered()
    tag_id: Mapped[int] = belongs("tags.id", index=True)
    word: Mapped[str] = mapped_column(String(MAX_NAME))
    verdict: Mapped[WordVerdict | None] = mapped_column(enum(WordVerdict, "verdict"))
    """None: what was said is taken back."""
    undoes_id: Mapped[int | None] = mapped_column(
        Id, ForeignKey("tag_words.id", ondelete="CASCADE")
    )
    """The line that this one undoes."""
    said_by: Mapped[str] = mapped_column(String(MAX_NAME))
    said_at: Mapped[datetime]


class LabelBatch(Base):
    """Labels that one labeller gave in one go: an import, or a sitting with `jobtool label`."""

    __tablename__ = "label_batches"
    id: Mapped[int] = numbered()
    name: Mapped[str] = mapped_column(String(MAX_ID))
    """The file, or the command, that they came by."""
    labeller: Mapped[str] = mapped_column(String(MAX_NAME))
    started_at: Mapped[datetime]
    state: Mapped[LabelBatchState] = mapped_column(enum(LabelBatchState, "state"), index=True)
    """As the last of its `BatchDecision`s has it."""
    suspects: Mapped[list[int] | None] = mapped_column(JSON(none_as_null=True))
    """Ids of the jobs whose labels fit the live model least, worst first."""


class BatchDecision(Base):
    """That a batch is used from now on, or held. Lines are only added."""

    __tablename__ = "batch_decisions"
    id: Mapped[int] = numbered()
    batch_id: Mapped[int] = belongs("label_batches.id", index=True)
    state: Mapped[LabelBatchState] = mapped_column(enum(LabelBatchState, "state"))
    decided_by: Mapped[str | None] = mapped_column(String(MAX_NAME))
    """None: jobtool itself, in a retrain."""
    decided_at: Mapped[datetime]
    reason: Mapped[str | None] = mapped_column(LongText)


class FeedValue(Base):
    """What the team says that a value of a feed's field means: a tag, or none."""

    __tablename__ = "feed_values"
    name: Mapped[str] = mapped_column(String(MAX_NAME), primary_key=True)
    """The field, as `tagger.feed_facts.plain` writes it."""
    value: Mapped[str] = mapped_column(String(MAX_NAME), primary_key=True)
    """The value, written likewise."""
    tag_id: Mapped[int | None] = belongs("tags.id", index=True)
    """None: the value means none of the tags, whatever they are called."""
    said_by: Mapped[str] = mapped_column(String(MAX_NAME))
    said_at: Mapped[datetime]


class Label(Base):
    """One answer of one labeller about a tag on a job: a line of history, never changed.

    What holds is each labeller's last line; see `db.labels`.
    """

    __tablename__ = "labels"
    __table_args__ = (Index(None, "job_id", "tag_id", "labeller"),)
    id: Mapped[int] = numbered()
    job_id: Mapped[int] = belongs("jobs.id")
    tag_id: Mapped[int] = belongs("tags.id", index=True)
    labeller: Mapped[str] = mapped_column(String(MAX_NAME))
    source: Mapped[Source] = mapped_column(enum(Source, "source"))
    before: Mapped[Answer | None] = mapped_column(enum(Answer, "before"))
    """What this labeller had said so far; None for nothing."""
    after: Mapped[Answer | None] = mapped_column(enum(Answer, "after"))
    """What holds from now on; None if an answer was undone and nothing is left."""
    undoes_id: Mapped[int | None] = mapped_column(Id, ForeignKey("labels.id", ondelete="CASCADE"))
    """The line that this one takes back."""
    batch_id: Mapped[int | None] = mapped_column(Id, index=True)
    """`LabelBatch` that it came in; None for one from before batches were kept."""
    labelled_at: Mapped[datetime]


# ---- models and what they say


class CodeVersion(Base):
    """A code space. Codes of two versions can't be compared; both are kept side by side."""

    __tablename__ = "code_versions"
    id: Mapped[int] = numbered()
    n_numbers: Mapped[int]
    drift: Mapped[float | None]
    """1 - mean cosine between the codes of the same old jobs before and after, in [0, 2]."""
    created_at: Mapped[datetime]


class Model(Base):
    """A trained tagger: this row, and a folder in the store."""

    __tablename__ = "models"
    id: Mapped[int] = numbered()
    folder: Mapped[str] = mapped_column(String(MAX_ID), unique=True)
    """Name of the folder below the store directory."""
    sha256: Mapped[str] = mapped_column(String(64))
    """Of the model's `meta.json`, which holds the hashes of all its files."""
    parent_id: Mapped[int | None] = mapped_column(
        Id, ForeignKey("models.id", ondelete="SET NULL"), index=True
    )
    """The model it was warm-started from."""
    code_version_id: Mapped[int] = mapped_column(Id, ForeignKey("code_versions.id"), index=True)
    codes_at: Mapped[datetime]
    """When its codes learned last; a model that goes on from another may leave them as they are."""
    codes_drift: Mapped[float]
    """How far they have moved since their version began, summed: at most 2 each time."""
    snapshot: Mapped[str] = mapped_column(String(64))
    """Hash of all it was trained on: jobs, texts, labels."""
    seed: Mapped[int]
    versions: Mapped[dict[str, Any]]
    """Of jobtool and the libraries."""
    metrics: Mapped[dict[str, Any]]
    created_at: Mapped[datetime]
    pruned_at: Mapped[datetime | None]
    """When its folder was removed; the row stays for its predictions."""


class ModelTag(Base):
    """A tag as one model knows it."""

    __tablename__ = "model_tags"
    model_id: Mapped[int] = belongs("models.id", primary_key=True)
    tag_id: Mapped[int] = belongs("tags.id", primary_key=True, index=True)
    threshold: Mapped[float | None]
    """Probability from which the tag is given; None where the tag was not learned."""
    n_yes: Mapped[int | None]
    """Jobs with the tag that it learned from: with 0 it knows the tag by its name alone."""
    remark: Mapped[str | None] = mapped_column(String(MAX_NAME))
    """What people must know of the tag: too few examples, say."""


class ModelJob(Base):
    """A job that a model has seen in training.

    Where its labels were learned, `position` is its place among the labelled jobs, and so in the
    model's held-out answers.
    """

    __tablename__ = "model_jobs"
    __table_args__ = ({"sqlite_with_rowid": False},)
    model_id: Mapped[int] = belongs("models.id", primary_key=True)
    job_id: Mapped[int] = belongs("jobs.id", primary_key=True, index=True)
    position: Mapped[int | None]


class ModelAlias(Base):
    """`champion` is live, `challenger` wants to be, `anchor` is the best champion so far."""

    __tablename__ = "model_aliases"
    alias: Mapped[str] = mapped_column(String(20), primary_key=True)
    model_id: Mapped[int] = mapped_column(Id, ForeignKey("models.id"), index=True)


class Promotion(Base):
    """One change of the champion; the last one is what `rollback` takes back."""

    __tablename__ = "promotions"
    id: Mapped[int] = numbered()
    model_id: Mapped[int] = belongs("models.id", index=True)
    previous_id: Mapped[int | None] = belongs("models.id", index=True)
    reason: Mapped[str] = mapped_column(String(MAX_NAME))
    is_rollback: Mapped[bool]
    promoted_at: Mapped[datetime]


class PredictionSet(Base):
    """All that one model says of one job: there is exactly one per pair."""

    __tablename__ = "prediction_sets"
    __table_args__ = ({"sqlite_with_rowid": False},)
    model_id: Mapped[int] = belongs("models.id", primary_key=True)
    job_id: Mapped[int] = belongs("jobs.id", primary_key=True, index=True)
    needs_review: Mapped[bool]
    """Whether a tag lies in its review band."""
    predicted_at: Mapped[datetime]


class Prediction(Base):
    """What a model says of one tag on one job. Its threshold is that of `ModelTag`.

    Written and removed with its `PredictionSet` by `db.predictions` alone. There is no foreign key:
    PostgreSQL would check it for every row, which takes as long as storing them.
    """

    __tablename__ = "predictions"
    __table_args__ = (
        CheckConstraint("probability >= 0 AND probability <= 1", name="probability"),
        {"sqlite_with_rowid": False},
    )
    model_id: Mapped[int] = mapped_column(Id, primary_key=True, autoincrement=False)
    job_id: Mapped[int] = mapped_column(Id, primary_key=True, autoincrement=False)
    tag_id: Mapped[int] = mapped_column(Id, primary_key=True, autoincrement=False)
    score: Mapped[float]
    """Logit before calibration."""
    probability: Mapped[float]
    """In [0, 1]; calibrated where the model has learned labels of the tag."""
    decision: Mapped[bool]
    """Whether the tag is given: probability at or above the threshold."""
    review: Mapped[bool]
    """Whether a person should look: so near to the threshold."""


class Promise(Base):
    """What is promised of a tag where a model gives it without a person: a line of history, never
    changed. The last line of a (model, tag) holds; see `db.promises`.
    """

    __tablename__ = "promises"
    __table_args__ = (
        CheckConstraint("wrong_at_most > 0 AND wrong_at_most < 1", name="wrong_at_most"),
        CheckConstraint("confidence > 0 AND confidence < 1", name="confidence"),
        Index(None, "model_id", "tag_id"),
    )
    id: Mapped[int] = numbered()
    model_id: Mapped[int] = belongs("models.id")
    tag_id: Mapped[int] = belongs("tags.id", index=True)
    wrong_at_most: Mapped[float]
    """Share of the postings given the tag without a person that may lack it."""
    confidence: Mapped[float]
    """How sure that is, for this tag by itself."""
    threshold: Mapped[float | None]
    """Probability from which the tag is given without a person; None: nothing is promised."""
    n_given: Mapped[int]
    """Judged postings, reposts counted once, that reach the threshold."""
    n_wrong: Mapped[int]
    """Those of them that lack the tag."""
    missing: Mapped[int]
    """More judged postings given the tag that a promise takes at least; 0 where there is one."""
    promised_at: Mapped[datetime]


class JobCode(Base):
    """A job's code, float32, little endian."""

    __tablename__ = "job_codes"
    __table_args__ = ({"sqlite_with_rowid": False},)
    code_version_id: Mapped[int] = belongs("code_versions.id", primary_key=True)
    job_id: Mapped[int] = belongs("jobs.id", primary_key=True, index=True)
    code: Mapped[bytes] = mapped_column(Bytes)


# ---- work: who does what


class Run(Base):
    """One retrain: who, when, and what came of it. One at a time."""

    __tablename__ = "runs"
    id: Mapped[int] = numbered()
    worker: Mapped[str] = mapped_column(String(MAX_NAME))
    state: Mapped[RunState] = mapped_column(enum(RunState, "state"))
    lease_until: Mapped[datetime]
    """A running one whose lease has run out was killed."""
    lock: Mapped[int | None] = mapped_column(unique=True)
    """1 while it runs, else None: so there is never more than one."""
    reason: Mapped[str] = mapped_column(String(MAX_NAME))
    """What started it."""
    started_at: Mapped[datetime]
    finished_at: Mapped[datetime | None]
    label_id: Mapped[int] = mapped_column(Id)
    """The last label that it knew of."""
    job_id: Mapped[int] = mapped_column(Id)
    """The last job that it knew of."""
    tags_hash: Mapped[str | None] = mapped_column(String(64))
    """Hash of what it knew of tags; None for one by an older jobtool, which knew only names."""
    folder: Mapped[str] = mapped_column(String(MAX_ID))
    """Where its model goes, below the store."""
    model_id: Mapped[int | None] = belongs("models.id", index=True)
    """The challenger that came of it; None, too, where there was nothing new to learn."""
    inputs: Mapped[dict[str, Any] | None]
    """What training it again takes beside jobs and labels, see `db.rebuild`; None for one by an
    older jobtool, or one that failed."""
    error: Mapped[str | None] = mapped_column(LongText)
    alarms: Mapped[list[str] | None] = mapped_column(JSON(none_as_null=True))
    """Keys of the drift alarms that it answers; None if nobody asked it to look for drift."""


class Verdict(Base):
    """What the gate said of a challenger."""

    __tablename__ = "verdicts"
    id: Mapped[int] = numbered()
    run_id: Mapped[int] = belongs("runs.id", index=True)
    challenger_id: Mapped[int] = belongs("models.id", index=True)
    champion_id: Mapped[int | None] = belongs("models.id", index=True)
    promoted: Mapped[bool]
    reason: Mapped[str] = mapped_column(LongText)
    details: Mapped[dict[str, Any]]
    """Scores, differences and intervals, overall and per tag; see `db.gate`."""
    judged_at: Mapped[datetime]


class Batch(Base):
    """Jobs that one worker has claimed for tagging until its lease runs out."""

    __tablename__ = "batches"
    __table_args__ = (Index(None, "state", "lease_until"),)
    id: Mapped[int] = numbered()
    model_id: Mapped[int] = belongs("models.id", index=True)
    worker: Mapped[str] = mapped_column(String(MAX_NAME))
    state: Mapped[BatchState] = mapped_column(enum(BatchState, "state"))
    n_jobs: Mapped[int]
    claimed_at: Mapped[datetime]
    lease_until: Mapped[datetime]
    finished_at: Mapped[datetime | None]


class QueuedJob(Base):
    """A job that waits to be tagged by a model, or is being tagged in a batch."""

    __tablename__ = "queued_jobs"
    __table_args__ = (
        Index(None, "model_id", "batch_id", "job_id"),
        {"sqlite_with_rowid": False},
    )
    model_id: Mapped[int] = belongs("models.id", primary_key=True)
    job_id: Mapped[int] = belongs("jobs.id", primary_key=True, index=True)
    batch_id: Mapped[int | None] = mapped_column(
        Id, ForeignKey("batches.id", ondelete="SET NULL"), index=True
    )
    queued_at: Mapped[datetime]


# ---- candidates and what they do


class Candidate(Base):
    """A person who looks for a job."""

    __tablename__ = "candidates"
    id: Mapped[int] = numbered()
    external_id: Mapped[str] = mapped_column(String(MAX_ID), unique=True)
    text: Mapped[str] = mapped_column(LongText)
    """The resume; may be empty."""
    fields: Mapped[dict[str, Any] | None]
    """The other columns of the import, as they came."""
    imported_at: Mapped[datetime]


class Event(Base):
    """Something that a candidate did with a job, or (a reply) that the employer did."""

    __tablename__ = "events"
    __table_args__ = (
        UniqueConstraint("key"),
        Index(None, "candidate_id", "occurred_at"),
    )
    id: Mapped[int] = numbered()
    key: Mapped[str] = mapped_column(String(MAX_ID))
    """The team's own id of the event, or a hash of what it says: the same is stored once."""
    candidate_id: Mapped[int] = belongs("candidates.id")
    job_id: Mapped[int] = belongs("jobs.id", index=True)
    action: Mapped[str] = mapped_column(String(40))
    """impression, view, save, visit, apply, dismiss or reply."""
    occurred_at: Mapped[datetime | None]
    fields: Mapped[dict[str, Any] | None]
