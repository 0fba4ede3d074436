"""Made-up candidates and jobs with hidden tastes: the world that `matcher.simulation` runs in.

Letters for axes: C candidates, J jobs, L hidden dimensions, D numbers of a code, P pairs.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from matcher.data import DAY, FloatArray, IntArray, Profiles
from tagger.errors import DataError

START = 1_704_067_200.0
"""Seconds since 1970 of the first session: 1 January 2024."""
EDUCATION = ("none", "school", "college", "bachelor", "master")
ROLES = ("full-time", "part-time", "contract", "intern")
LANGUAGES = ("lang-a", "lang-b", "lang-c", "lang-d")
SIZES = ("1-9", "10-49", "50-249", "250-999", "1000+")


@dataclass(frozen=True, slots=True, kw_only=True)
class WorldConfig:
    """Who and what there is."""

    n_candidates: int = 2000
    """Candidates."""
    n_jobs: int = 2000
    """Jobs, posted one after the other."""
    days: float = 60.0
    """How long is looked on; a day has 86,400 s."""
    job_days: float = 30.0
    """How long a job is shown after it was posted."""
    categories: tuple[int, int, int] = (6, 3, 3)
    """Branches of the tree of categories at its three levels."""
    n_hidden: int = 16
    """Dimensions of tastes and of jobs that nobody sees."""
    n_code: int = 50
    """Numbers of a code."""
    code_noise: float = 0.5
    """What a text does not tell: standard deviation of the noise in a code, where hidden vectors
    have length 1."""
    drift: float = 0.5
    """Share of candidates who turn to another category while they search, in [0, 1]."""
    n_districts: int = 12
    """Places where candidates live and jobs are."""
    missing: float = 0.05
    """Share of the cells of fields that are unknown, in [0, 1)."""

    def __post_init__(self) -> None:
        for name in ("n_candidates", "n_jobs", "days", "job_days", "n_hidden", "n_code"):
            if not getattr(self, name) > 0:
                raise DataError(f"{name} must be above 0, got {getattr(self, name)}")
        if self.n_districts < 1 or len(self.categories) != 3 or min(self.categories) < 1:
            raise DataError(
                "n_districts and the three numbers of categories must be 1 or more, got "
                f"{self.n_districts} and {self.categories}"
            )
        if self.code_noise < 0:
            raise DataError(f"code_noise must be 0 or more, got {self.code_noise}")
        if not 0 <= self.drift <= 1:
            raise DataError(f"drift must be in [0, 1], got {self.drift}")
        if not 0 <= self.missing < 1:
            raise DataError(f"missing must be in [0, 1), got {self.missing}")


@dataclass(frozen=True, slots=True, eq=False)
class Side:
    """What is true of candidates, or of jobs. N rows."""

    leaf: IntArray
    """Shape (N,): category at the lowest level; of candidates, when they begin to search."""
    vectors: FloatArray
    """Shape (N, L), of length 1: what a job is, what a candidate likes at first."""
    salary: FloatArray
    """Shape (N,): offered, or wanted, a month."""
    experience: IntArray
    """Shape (N,): years, asked for or had."""
    education: IntArray
    """Shape (N,): place in `EDUCATION`, asked for or had."""
    speaks: FloatArray
    """Shape (N, number of languages): 1 for each language asked for or spoken."""
    major: IntArray
    """Shape (N,): follows the upper category, mostly."""
    district: IntArray
    """Shape (N,)."""


@dataclass(frozen=True, slots=True, eq=False)
class World:
    """All that is true, seen by the models or not."""

    people: Side
    jobs: Side
    later_leaf: IntArray
    """Shape (C,): category that a candidate ends in."""
    later: FloatArray
    """Shape (C, L): what the candidate likes in the end."""
    begins: FloatArray
    """Shape (C,): first moment of the search, in seconds since 1970."""
    lasts: FloatArray
    """Shape (C,): how long it goes on, in seconds."""
    posted: FloatArray
    """Shape (J,): seconds since 1970."""
    appeal: FloatArray
    """Shape (J,): what everybody likes in the job, about -1 to 1."""
    candidate_profiles: Profiles
    job_profiles: Profiles

    def moved(self, candidates: IntArray, times: FloatArray) -> FloatArray:
        """How far a candidate is on the way to the later taste, in [0, 1]; shape (P,)."""
        return np.clip((times - self.begins[candidates]) / self.lasts[candidates], 0, 1)

    def interest(self, candidates: IntArray, jobs: IntArray, times: FloatArray) -> FloatArray:
        """How much candidates want jobs at a time, about -2 to 3; shape (P,).

        The hidden taste weighs most; pay, place and what is asked for count too.
        """
        moved = self.moved(candidates, times).astype(np.float32)[:, None]
        taste = (1 - moved) * self.people.vectors[candidates] + moved * self.later[candidates]
        taste /= np.linalg.norm(taste, axis=1, keepdims=True)
        likes = np.einsum("pl,pl->p", taste, self.jobs.vectors[jobs])
        pays = np.tanh(4 * np.log(self.jobs.salary[jobs] / self.people.salary[candidates]))
        near = self.jobs.district[jobs] == self.people.district[candidates]
        lacks = np.clip(self.jobs.experience[jobs] - self.people.experience[candidates], 0, 3)
        wanted = 2.8 * likes + 0.5 * pays + 0.6 * near - 0.25 * lacks + 0.5 * self.appeal[jobs]
        return np.asarray(wanted - 0.6)

    def suits(self, candidates: IntArray, jobs: IntArray) -> FloatArray:
        """How well candidates fit what employers ask for, about -3 to 2; shape (P,)."""
        people, asked = self.people, self.jobs
        lacks = np.clip(asked.experience[jobs] - people.experience[candidates], 0, 3)
        less = np.clip(asked.education[jobs] - people.education[candidates], 0, 2)
        mute = np.clip(asked.speaks[jobs] - people.speaks[candidates], 0, 1).sum(axis=1)
        known = np.einsum("pl,pl->p", people.vectors[candidates], asked.vectors[jobs])
        same = asked.major[jobs] == people.major[candidates]
        return np.asarray(2 * known + 0.5 * same - 0.5 * lacks - 0.4 * less - 0.7 * mute)


def build_world(config: WorldConfig, rng: np.random.Generator) -> World:
    """Draw everything that does not depend on what happens."""
    centres, n_days = _centres(config, rng), config.days
    pay = 3000 * np.exp(rng.normal(0, 0.3, len(centres)))
    people = _side(config, config.n_candidates, centres, pay, rng)
    jobs = _side(config, config.n_jobs, centres, pay, rng)
    moves = rng.random(config.n_candidates) < config.drift
    later_leaf = np.where(moves, rng.integers(len(centres), size=len(moves)), people.leaf)
    later = np.where(moves[:, None], _near(centres[later_leaf], rng), people.vectors)
    begins = rng.uniform(0, 0.8 * n_days, config.n_candidates)
    lasts = np.minimum(rng.uniform(10, 40, config.n_candidates), n_days - begins)
    posted = START + DAY * np.sort(rng.uniform(-config.job_days, n_days, config.n_jobs))
    employer = rng.integers(max(config.n_jobs // 5, 1), size=config.n_jobs)
    fame = rng.normal(0, 1, len(employer))
    projection = rng.normal(0, 1, (config.n_hidden, config.n_code)).astype(np.float32)
    return World(
        people,
        jobs,
        later_leaf,
        later,
        START + DAY * begins,
        DAY * lasts,
        posted,
        np.tanh(0.5 * fame[employer] + rng.normal(0, 0.5, config.n_jobs)),
        Profiles(
            ids=tuple(f"c{row}" for row in range(config.n_candidates)),
            codes=_codes(config, people, projection, rng),
            fields=_fields(config, people, rng),
        ),
        Profiles(
            ids=tuple(f"j{row}" for row in range(config.n_jobs)),
            codes=_codes(config, jobs, projection, rng),
            fields={**_fields(config, jobs, rng), **_employers(config, employer, fame, rng)},
            known_from=posted,
        ),
    )


def _centres(config: WorldConfig, rng: np.random.Generator) -> FloatArray:
    """Hidden vector of each category at the lowest level, near those of its branch."""
    a, b, c = config.categories
    top = rng.normal(0, 1, (a, 1, 1, config.n_hidden))
    middle = rng.normal(0, 0.7, (a, b, 1, config.n_hidden))
    low = rng.normal(0, 0.5, (a, b, c, config.n_hidden))
    return _unit((top + middle + low).reshape(a * b * c, config.n_hidden))


def _side(
    config: WorldConfig, n: int, centres: FloatArray, pay: FloatArray, rng: np.random.Generator
) -> Side:
    """Candidates or jobs, each in a category drawn at random."""
    leaf = rng.integers(len(centres), size=n)
    experience = rng.poisson(2.5, n)
    return Side(
        leaf,
        _near(centres[leaf], rng),
        pay[leaf] * np.exp(0.06 * experience + rng.normal(0, 0.15, n)),
        experience,
        rng.integers(len(EDUCATION), size=n),
        (rng.random((n, len(LANGUAGES))) < (0.6, 0.25, 0.15, 0.1)).astype(np.float32),
        _scattered(leaf // (config.categories[1] * config.categories[2]), 0.2, rng),
        rng.integers(config.n_districts, size=n),
    )


def _scattered(values: IntArray, share: float, rng: np.random.Generator) -> IntArray:
    """The same values, some of them swapped for another row's."""
    other = rng.integers(len(values), size=len(values))
    return np.where(rng.random(len(values)) < share, values[other], values)


def _near(centres: FloatArray, rng: np.random.Generator) -> FloatArray:
    """Vectors of length 1 around others of length 1."""
    noise = rng.normal(0, 0.5 * centres.shape[1] ** -0.5, centres.shape)
    return _unit(centres + noise).astype(np.float32)


def _unit(vectors: FloatArray) -> FloatArray:
    return np.asarray(vectors / np.linalg.norm(vectors, axis=1, keepdims=True))


def _codes(
    config: WorldConfig, side: Side, projection: FloatArray, rng: np.random.Generator
) -> npt.NDArray[np.float32]:
    """What a text says of the hidden vector: noise added, turned into other axes."""
    noise = rng.normal(0, config.code_noise * config.n_hidden**-0.5, side.vectors.shape)
    return np.asarray((side.vectors + noise) @ projection, np.float32)


def _fields(config: WorldConfig, side: Side, rng: np.random.Generator) -> dict[str, list[Any]]:
    """Fields that jobs and candidates share: asked for or offered, had or wanted."""
    _, b, c = config.categories
    spread = rng.uniform(0.8, 1.0, len(side.leaf))
    spoken = [";".join(np.array(LANGUAGES)[row > 0]) for row in side.speaks]
    fields: dict[str, list[Any]] = {
        "category1": _named("sector", side.leaf // (b * c)),
        "category2": _named("branch", side.leaf // c),
        "category3": _named("trade", side.leaf),
        "education": np.array(EDUCATION)[side.education].tolist(),
        "salary_low": np.round(side.salary * spread, -1).tolist(),
        "salary_high": np.round(side.salary / spread, -1).tolist(),
        "role": rng.choice(ROLES, len(side.leaf), p=(0.7, 0.15, 0.1, 0.05)).tolist(),
        "languages": spoken,
        "experience": side.experience.tolist(),
        "major": _named("major", side.major),
        "industry": _named("industry", _scattered(side.leaf // c, 0.3, rng)),
        "district": _named("district", side.district),
    }
    for values in fields.values():
        for row in np.flatnonzero(rng.random(len(values)) < config.missing).tolist():
            values[row] = None
    return fields


def _employers(
    config: WorldConfig, employer: IntArray, fame: FloatArray, rng: np.random.Generator
) -> dict[str, list[Any]]:
    """Fields of jobs alone; famous employers are larger and more often public."""
    size = np.clip(np.round(2 + fame + rng.normal(0, 0.7, len(fame))), 0, 4).astype(int)
    public = rng.random(len(fame)) < 0.15 + 0.15 * (size == len(SIZES) - 1)
    return {
        "employer": _named("employer", employer),
        "employer_size": np.array(SIZES)[size[employer]].tolist(),
        "is_public": np.where(public[employer], "yes", "no").tolist(),
    }


def _named(kind: str, numbers: IntArray) -> list[Any]:
    names = np.array([f"{kind}-{number}" for number in range(int(numbers.max()) + 1)])
    named: list[Any] = names[numbers].tolist()
    return named
