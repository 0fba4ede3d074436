"""Reposts: jobs that repeat another one almost word for word, linked to it when they come in.

Two jobs are the same posting if the Jaccard similarity of their word triples is at least
`SAME_JACCARD`. Candidates come from MinHash signatures cut into bands (datasketch makes the
signatures; the bands are rows of `job_bands`, so the index outlives the process and is shared by
all), then the true similarity decides, so that nothing is linked by chance. Only canonical jobs
have bands: ten thousand reposts of one job cost a later one no more than the first did.

References
----------
Broder, On the resemblance and containment of documents, 1997 (shingles, MinHash).
Leskovec, Rajaraman and Ullman, Mining of Massive Datasets, chapter 3 (bands).
"""

import re
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple

import mmh3
import numpy as np
import numpy.typing as npt
from datasketch import MinHash
from sqlalchemy import ARRAY, BigInteger, bindparam, delete, func, select, update
from sqlalchemy.orm import Session

from db.bulk import insert_arrays, table_of
from db.labels import chunks
from db.schema import Job, JobBand

Shingles = npt.NDArray[np.uint64]

SAME_JACCARD = 0.8
"""Jobs whose word triples are this similar are one posting with small edits."""
MAX_COMPARED = 500_000
"""Characters of a posting that are compared; what comes after makes no other posting of it."""
N_BANDS, BAND_WIDTH = 14, 6
"""Two jobs of similarity s share a band with probability 1 - (1 - s^6)^14: 0.986 at 0.8, 0.9998 at
0.9, 0.2 at 0.5."""
N_VERIFIED = 8
"""Candidates compared in full for each job: those that share most bands."""
_SHINGLE = 3  # words
_MARKUP = re.compile(r"<[^<>]{1,1000}>|&#?\w{1,31};")
_WORD = re.compile(r"\w+")
_PART = 4096  # shingles hashed at a time, so that a huge posting needs no huge matrix
_FACTORS = np.array([0x9E3779B97F4A7C15, 0xC2B2AE3D27D4EB4F, 0x165667B19E3779F9], np.uint64)
_OPTIONS = {"num_perm": N_BANDS * BAND_WIDTH, "scheme": "affine32", "hashfunc": int}
_PERMUTATIONS = MinHash(seed=1, **_OPTIONS).permutations  # making them takes longer than using them


# ---- texts to numbers


def shingles(title: str, body: str) -> Shingles:
    """Hashes of the word triples of a posting, sorted, each once; empty if it has no word.

    Case, punctuation and markup don't count. A posting of less than three words is one triple.
    Stored bands depend on this function: a change needs a migration that makes them anew.
    """
    plain = _MARKUP.sub(" ", f"{title}\n{body}"[:MAX_COMPARED]).casefold()
    words = np.array([mmh3.hash(word, signed=False) for word in _WORD.findall(plain)], np.uint64)
    if 0 < len(words) < _SHINGLE:
        words = np.pad(words, (0, _SHINGLE - len(words)))
    n = max(len(words) - _SHINGLE + 1, 0)
    mixed = sum((words[i : i + n] * _FACTORS[i] for i in range(_SHINGLE)), np.zeros(n, np.uint64))
    return np.unique(mixed ^ (mixed >> np.uint64(29)))


def jaccard(a: Shingles, b: Shingles) -> float:
    """Size of the intersection over that of the union, in [0, 1]; 0 for two empty sets."""
    if min(len(a), len(b)) < SAME_JACCARD * max(len(a), len(b)):
        return 0.0  # can't reach SAME_JACCARD, whatever they hold
    n_common = len(np.intersect1d(a, b, assume_unique=True))
    return n_common / (len(a) + len(b) - n_common) if n_common else 0.0


def bands(found: Shingles) -> list[int]:
    """Bands of the MinHash signature, `N_BANDS` signed 64-bit numbers; none for no shingles."""
    if not len(found):
        return []
    signature = MinHash(permutations=_PERMUTATIONS, **_OPTIONS)
    folded = (found >> np.uint64(32)).astype(np.uint32)
    for start in range(0, len(folded), _PART):
        signature.update_batch(folded[start : start + _PART].tolist())
    rows = signature.hashvalues.reshape(N_BANDS, BAND_WIDTH)
    return [mmh3.hash64(row.tobytes(), seed=band)[0] for band, row in enumerate(rows)]


# ---- linking


class Posting(NamedTuple):
    """A stored job and its words."""

    id: int
    title: str
    text: str


def link(session: Session, jobs: Iterable[Posting]) -> int:
    """Link each of these jobs to one it repeats, or make it one that others may repeat.

    Parameters
    ----------
    jobs
        New, or just released by `release`. One of the session's transactions at a time may be
        here: see `db.engine.take_turns`.

    Returns
    -------
    How many are reposts. Does not commit.
    """
    words = {job.id: shingles(job.title, job.text) for job in jobs}
    own = {job_id: bands(found) for job_id, found in words.items()}
    near = _sharing(session, own)
    words |= _stored_shingles(session, {other for found in near.values() for other in found})
    links: dict[int, int] = {}
    canonical: dict[int, list[int]] = defaultdict(list)  # band -> those of `jobs` that are
    for job_id in sorted(own):
        shared = Counter(near[job_id])
        shared.update(other for band in own[job_id] for other in canonical[band])
        found = _most_similar(words, job_id, shared)
        if found is not None:
            links[job_id] = found
            continue
        for band in own[job_id]:
            canonical[band].append(job_id)
    _store_bands(session, {job_id: own[job_id] for job_id in own.keys() - links.keys()})
    if links:
        rows = [{"id": job_id, "canonical_id": other} for job_id, other in links.items()]
        session.execute(update(Job), rows)
    return len(links)


def release(session: Session, job_ids: Sequence[int]) -> None:
    """Make jobs ready to be linked anew; those that repeat them get another canonical job.

    For jobs whose words change, and before one is deleted. Does not commit.
    """
    for part in chunks(job_ids):
        session.execute(update(Job).where(Job.id.in_(part)).values(canonical_id=None))
    for part in chunks(job_ids):
        heirs = (
            select(func.min(Job.id), Job.canonical_id)
            .where(Job.canonical_id.in_(part))
            .group_by(Job.canonical_id)
        )
        for heir, canonical in session.execute(heirs).all():
            _hand_over(session, canonical, heir)
        session.execute(delete(JobBand).where(JobBand.job_id.in_(part)))


def _hand_over(session: Session, canonical_id: int | None, heir_id: int) -> None:
    """The oldest repost takes the place of the job that it repeats."""
    group = update(Job).where(Job.canonical_id == canonical_id)
    session.execute(group.values(canonical_id=heir_id))
    session.execute(update(Job).where(Job.id == heir_id).values(canonical_id=None))
    found = _stored_shingles(session, {heir_id})
    _store_bands(session, {heir_id: bands(found[heir_id])})


def _sharing(session: Session, own: Mapping[int, Sequence[int]]) -> dict[int, dict[int, int]]:
    """For each job the stored canonical jobs that share most bands with it, and how many."""
    by_band: dict[int, list[int]] = defaultdict(list)
    wanted = sorted({band for found in own.values() for band in found})
    if session.get_bind().dialect.name == "postgresql":  # one array is much less to parse
        parts = [JobBand.band == func.any(bindparam(None, wanted, type_=ARRAY(BigInteger)))]
    else:
        parts = [JobBand.band.in_(part) for part in chunks(wanted)]
    for part in parts:
        for band, job_id in session.execute(select(JobBand.band, JobBand.job_id).where(part)):
            by_band[band].append(job_id)
    shared = {
        job_id: Counter(other for band in found for other in by_band.get(band, ()))
        for job_id, found in own.items()
    }
    return {job_id: dict(counts.most_common(N_VERIFIED)) for job_id, counts in shared.items()}


def _stored_shingles(session: Session, job_ids: Iterable[int]) -> dict[int, Shingles]:
    found: dict[int, Shingles] = {}
    for part in chunks(sorted(job_ids), 50):  # their texts are held at a time
        query = select(Job.id, Job.title, Job.text).where(Job.id.in_(part))
        found |= {id: shingles(title, body) for id, title, body in session.execute(query)}
    return found


def _most_similar(words: Mapping[int, Shingles], job_id: int, shared: Counter[int]) -> int | None:
    """The most similar of the candidates that share most bands, if it is similar enough."""
    ranked = sorted(shared, key=lambda other: (-shared[other], other))[:N_VERIFIED]
    similar = [(jaccard(words[job_id], words[other]), -other) for other in ranked]
    best, other = max(similar, default=(0.0, 0))
    return -other if best >= SAME_JACCARD else None


def _store_bands(session: Session, own: Mapping[int, Sequence[int]]) -> None:
    pairs = [(band, job_id) for job_id in sorted(own) for band in own[job_id]]
    if pairs:
        band, job_id = np.array(pairs, np.int64).T
        insert_arrays(session, table_of(JobBand), {"band": band, "job_id": job_id})
