"""Made-up candidates, jobs and events with something to learn: everyone has a taste."""

from collections.abc import Iterator, Sequence

import numpy as np
import numpy.typing as npt

from matcher.data import DAY, MatchData, Profiles, RawEvent, build

START = 1_767_225_600.0
"""The first of January 2026."""
DAYS = 60
TASTES = ("care", "software", "driving", "kitchen")
CODE_DIM = 8
ACTIONS = ("impression", "view", "save", "apply")


def made_up(
    n_candidates: int = 60,
    n_jobs: int = 40,
    *,
    times: bool = True,
    codes: bool = True,
    fields: bool = True,
    actions: Sequence[str] = ACTIONS,
    seed: int = 0,
) -> MatchData:
    """Candidates `c0`, `c1`, ... and jobs `j0`, `j1`, ..., each of one of four tastes.

    A candidate meets 6 to 12 jobs, mostly popular ones of their own taste, and goes on to the next
    of `actions` (weakest first; `dismiss` stands apart) more often where the taste fits. Codes and
    fields tell the taste, with noise. The events fill 60 days; most jobs were posted before.
    """
    rng = np.random.default_rng(seed)
    wants, offers = rng.integers(len(TASTES), size=n_candidates), np.arange(n_jobs) % len(TASTES)
    posted = START + DAY * np.sort(rng.uniform(-DAYS, DAYS * 0.8, n_jobs))
    events = list(_events(rng, wants, offers, posted if times else None, actions))
    return build(
        Profiles(
            ids=tuple(f"c{c}" for c in range(n_candidates)),
            codes=_codes(rng, wants) if codes else None,
            fields=_fields(rng, wants) if fields else {},
        ),
        Profiles(
            ids=tuple(f"j{j}" for j in range(n_jobs)),
            codes=_codes(rng, offers) if codes else None,
            fields=_fields(rng, offers) if fields else {},
            known_from=posted if times else None,
        ),
        events,
        until=None,
    )


def slow(n_candidates: int = 40) -> MatchData:
    """Every other candidate saves a job in the first days and applies to it a month later.

    The others look at it twice and never apply. All apply to five jobs in the first three weeks;
    the same every other one saves another job, and applies to it, at once and at the end again.
    """
    raw: list[RawEvent] = []
    for c in range(n_candidates):
        begin, saves = START + 600.0 * c, c % 2 == 0
        steps = ("view", "save") if saves else ("view", "view")

        def add(day: float, job: str, *actions: str, c: int = c, begin: float = begin) -> None:
            moments = (begin + day * DAY + 60 * at for at in range(len(actions)))
            raw.extend(RawEvent(f"c{c}", job, a, t) for a, t in zip(actions, moments, strict=True))

        for place in range(5):
            add(1 + 4 * place, f"early{place}", "view", "apply")
        add(1, "quick", *steps, *(["apply"] if saves else []))
        add(2, "slow", *steps)
        if saves:
            add(32, "slow", "apply")
            add(40, f"late{c % 3}", "view", "apply")
    names = dict.fromkeys(event.job for event in raw)
    return build(None, Profiles(ids=tuple(names)), raw, until=None)


def _events(
    rng: np.random.Generator,
    wants: npt.NDArray[np.integer],
    offers: npt.NDArray[np.integer],
    posted: npt.NDArray[np.floating] | None,
    actions: Sequence[str],
) -> Iterator[RawEvent]:
    steps = [action for action in actions if action != "dismiss"]
    appeal = 1 / (1 + rng.permutation(len(offers)))
    for c, taste in enumerate(wants):
        liking = appeal * np.where(offers == taste, 10.0, 1.0)
        n_met = min(int(rng.integers(6, 13)), len(offers))
        for j in rng.choice(len(offers), n_met, replace=False, p=liking / liking.sum()):
            fits = offers[j] == taste
            n_steps = int(min(rng.geometric(0.2 if fits else 0.7), len(steps)))
            time = None
            if posted is not None:
                time = float(rng.uniform(max(posted[j], START), START + DAYS * DAY))
            done = steps[:n_steps]
            if "dismiss" in actions and not fits and n_steps < len(steps):
                done = [*done, "dismiss"]
            for place, action in enumerate(done):
                at = None if time is None else time + 600.0 * place
                yield RawEvent(f"c{c}", f"j{j}", action, at)


def _codes(rng: np.random.Generator, tastes: npt.NDArray[np.integer]) -> npt.NDArray[np.float32]:
    noise = rng.normal(scale=0.3, size=(len(tastes), CODE_DIM))
    return (np.eye(CODE_DIM)[tastes] + noise).astype(np.float32)


def _fields(rng: np.random.Generator, tastes: npt.NDArray[np.integer]) -> dict[str, list[object]]:
    n = len(tastes)
    category = np.where(rng.random(n) < 0.8, tastes, rng.integers(len(TASTES), size=n))
    salary = 1000.0 * (2 + tastes) + rng.normal(scale=300, size=n)
    unknown = rng.random(n) < 0.1
    return {
        "category": [TASTES[k] for k in category],
        "district": [f"d{d}" for d in rng.integers(5, size=n)],
        "salary": [None if u else round(float(s)) for s, u in zip(salary, unknown, strict=True)],
        "languages": [["en", "de"][: 1 + more] for more in rng.integers(2, size=n)],
    }
