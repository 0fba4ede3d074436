"""What is known of a pair before it is asked about."""

from dataclasses import replace

import numpy as np
import pytest

from matcher.base import Pairs
from matcher.data import DAY, MatchData, Profiles, RawEvent, build
from matcher.examples import make_examples
from matcher.features import FeatureConfig, PairFeatures, Rows
from tagger.errors import DataError, ModelError

JOBS = Profiles(
    ids=("j0", "j1", "j2", "j3"),
    codes=np.array([[1, 0], [0, 1], [1, 1], [0, 0]], np.float32),
    fields={
        "category": ["care", "cooking", "care", None],
        "languages": [["en", "de"], ["en"], ["de"], ["fr"]],
        "salary": [1000, 2000, 3000, None],
    },
    known_from=np.array([0, 0, 3 * DAY, np.nan]),
)
PEOPLE = Profiles(
    ids=("ann", "bob"),
    codes=np.array([[2, 0], [0, 0]], np.float32),
    fields={
        "category": ["care", "cooking"],
        "languages": [["en", "de"], []],
        "salary": [2000, None],
    },
)
RAW = [
    RawEvent("ann", "j0", "view", 1 * DAY),
    RawEvent("bob", "j1", "view", 1.5 * DAY),
    RawEvent("ann", "j0", "apply", 2 * DAY),
    RawEvent("bob", "j0", "view", 5 * DAY),
    RawEvent("ann", "j1", "view", 6 * DAY),
    RawEvent("bob", "j1", "apply", 7 * DAY),
    RawEvent("ann", "j3", "view", 8 * DAY),
]
DATA = build(PEOPLE, JOBS, RAW, until=None)
TIMELESS = build(PEOPLE, JOBS, [replace(event, time=None) for event in RAW], until=None)
CONFIG = FeatureConfig(windows_days=(7,), smoothing=1.0, min_id_count=1)


def asked(data: MatchData, candidate: int, job: int, time: float) -> dict[str, float]:
    """Numbers of one pair by features fitted on `DATA`."""
    features = PairFeatures(CONFIG)
    features.fit(DATA, make_examples(DATA).pairs)
    rows = features.rows(data, Pairs(np.array([candidate]), np.array([job]), np.array([time])))
    return dict(zip(features.names_, rows.numbers[0].tolist(), strict=True))


def test_only_what_happened_strictly_before_counts() -> None:
    at = asked(DATA, 1, 0, 2 * DAY)
    just_after = asked(DATA, 1, 0, 2 * DAY + 1)
    assert np.expm1(at["yes: job"]) == pytest.approx(0)
    assert np.expm1(just_after["yes: job"]) == pytest.approx(1)


def test_later_events_change_nothing() -> None:
    later = [*RAW, RawEvent("bob", "j2", "apply", 30 * DAY), RawEvent("ann", "j2", "view", 3e9)]
    more = build(PEOPLE, JOBS, later, until=None)
    assert asked(more, 0, 2, 7.5 * DAY) == pytest.approx(asked(DATA, 0, 2, 7.5 * DAY), nan_ok=True)


def test_windows_confidence_and_smoothing() -> None:
    numbers = asked(DATA, 0, 0, 8.5 * DAY)
    assert np.expm1(numbers["shown: job"]) == pytest.approx(2)
    assert np.expm1(numbers["shown 7d: job"]) == pytest.approx(1)
    prior = 2 / 5
    assert numbers["rate: job"] == pytest.approx((1 + prior) / (2 + 1))
    assert numbers["rate 7d: job"] == pytest.approx((1 + prior) / (1 + 1))


def test_fields_of_both_sides_are_crossed() -> None:
    numbers = asked(DATA, 0, 2, 9 * DAY)
    assert numbers["same: category"] == 1
    assert numbers["overlap: languages"] == pytest.approx(0.5)
    scale = np.std([1000, 2000, 3000])
    assert numbers["difference: salary"] == pytest.approx(1000 / scale)
    assert np.isnan(asked(DATA, 1, 2, 9 * DAY)["difference: salary"])
    assert np.isnan(asked(DATA, 1, 2, 9 * DAY)["overlap: languages"])


def test_cosines_of_codes_and_of_the_history() -> None:
    numbers = asked(DATA, 0, 2, 9 * DAY)
    assert numbers["cosine: code"] == pytest.approx(np.sqrt(0.5))
    assert numbers["cosine: history"] == pytest.approx(np.sqrt(0.5))
    assert np.isnan(asked(DATA, 1, 2, 6 * DAY)["cosine: history"])


def test_affinity_is_the_share_of_earlier_jobs_with_the_value() -> None:
    assert asked(DATA, 0, 2, 9 * DAY)["affinity: category"] == pytest.approx((1 + 0.5) / 2)
    assert asked(DATA, 1, 2, 9 * DAY)["affinity: category"] == pytest.approx((0 + 0.5) / 2)


def test_the_age_of_a_job_is_unknown_if_its_posting_is() -> None:
    assert np.expm1(asked(DATA, 0, 2, 9 * DAY)["age: job"]) == pytest.approx(6)
    assert np.isnan(asked(DATA, 0, 3, 9 * DAY)["age: job"])


def test_without_a_time_a_pair_does_not_know_its_own_events() -> None:
    without_pair = [event for event in RAW if (event.candidate, event.job) != ("ann", "j0")]
    other = build(PEOPLE, JOBS, without_pair, until=None)
    hidden = asked(DATA, 0, 0, np.nan)
    assert hidden == pytest.approx(asked(other, 0, 0, np.nan), nan_ok=True)
    assert hidden != pytest.approx(asked(DATA, 0, 0, 9 * DAY), nan_ok=True)


def test_what_a_pair_does_not_know_is_missing_in_no_window_that_it_lies_outside() -> None:
    later = [RawEvent(who, "j0", "view", 30 * DAY) for who in ("cid", "dan")]
    raw = [*RAW, *later, RawEvent("ann", "j2", "view", 31 * DAY)]
    data, other = (
        build(None, JOBS, part, until=None)
        for part in (raw, [event for event in raw if (event.candidate, event.job) != ("ann", "j0")])
    )
    ann = data.candidates.ids.index("ann"), other.candidates.ids.index("ann")
    hidden = asked(data, ann[0], 0, np.nan)
    assert np.expm1(hidden["shown 7d: job"]) == pytest.approx(2)
    assert np.expm1(hidden["shown 7d: candidate"]) == pytest.approx(1)
    assert hidden == pytest.approx(asked(other, ann[1], 0, np.nan), nan_ok=True)


def test_windows_of_now_end_at_the_latest_event_of_any_kind() -> None:
    data = build(PEOPLE, JOBS, [*RAW, RawEvent("ann", "j2", "view", 30 * DAY)], until=None)
    now, then = asked(data, 0, 1, np.nan), asked(data, 1, 0, 30 * DAY + 1)
    assert now["yes 7d: job"] == now["shown 7d: job"] == 0
    assert then["yes 7d: job"] == then["shown 7d: job"] == 0


def test_a_history_without_times_hides_the_pair_too() -> None:
    features = PairFeatures(CONFIG)
    features.fit(TIMELESS, make_examples(TIMELESS).pairs)
    pairs = Pairs(np.array([0, 0]), np.array([0, 2]), np.full(2, np.nan))
    place = features.names_.index("cosine: history")
    values = features.rows(TIMELESS, pairs).numbers[:, place]
    assert np.isnan(values[0])
    assert values[1] == pytest.approx(np.sqrt(0.5))
    assert not any("7d" in name for name in features.names_)


def test_a_history_without_times_hides_the_job_that_the_asked_one_repeats() -> None:
    codes = np.array([[1, 0], [0.6, 0.8], [0, 1]], np.float32)
    jobs = Profiles(ids=("j0", "again", "j1"), codes=codes, groups=np.array([0, 0, 1]))
    raw = [RawEvent("ann", j, "apply") for j in ("j0", "j1")] + [RawEvent("bob", "j1", "view")]
    data = build(None, jobs, raw, until=None)
    features = PairFeatures(CONFIG).fit(data, make_examples(data).pairs)
    pairs = Pairs(np.array([0]), np.array([1]), np.array([np.nan]))
    numbers = features.rows(data, pairs).numbers[0]
    assert numbers[features.names_.index("cosine: history")] == pytest.approx(0.8)


def test_a_hidden_event_is_missing_from_the_values_of_its_own_job_alone() -> None:
    cities: list[object] = ["Oslo", "Bergen", "Bergen"]
    jobs = Profiles(ids=("j0", "again", "j1"), fields={"city": cities}, groups=np.array([0, 0, 1]))
    raw = [RawEvent("ann", "j0", "apply", DAY), RawEvent("bob", "j1", "apply", 2 * DAY)]
    data = build(None, jobs, [*raw, RawEvent("bob", "j0", "view", DAY)], until=None)
    features = PairFeatures(CONFIG).fit(data, make_examples(data).pairs)
    pairs = Pairs(np.array([0, 0]), np.array([0, 1]), np.full(2, np.nan))
    numbers = features.rows(data, pairs).numbers
    seen = np.expm1(numbers[:, features.names_.index("shown: city")])
    assert seen.tolist() == pytest.approx([1, 1])


def test_counts_without_times_do_not_betray_the_answer() -> None:
    rng = np.random.default_rng(0)
    raw = [
        RawEvent(f"c{c}", f"j{j}", "apply" if rng.random() < 0.3 else "view")
        for c in range(60)
        for j in rng.choice(30, 8, replace=False)
    ]
    jobs = Profiles(ids=tuple(f"j{j}" for j in range(30)), fields={"all": ["same"] * 30})
    data = build(None, jobs, raw, until=None)
    examples = make_examples(data)
    features = PairFeatures()
    rows = features.fit(data, examples.pairs).training_rows(data, examples)
    for name, values in zip(features.names_, rows.numbers.T, strict=True):
        seen = values[examples.is_yes].mean() - values[~examples.is_yes].mean()
        assert abs(seen) < 0.5 * values.std() + 1e-6, name


def test_a_drawn_job_is_asked_about_with_the_same_events_hidden_as_its_yes() -> None:
    raw = [RawEvent(f"c{i % 20}", f"j{i % 7}", "apply") for i in range(140)]
    jobs = Profiles(ids=tuple(f"j{i}" for i in range(40)))
    data = build(None, jobs, raw, until=None)
    examples = make_examples(data)
    features = PairFeatures()
    rows = features.fit(data, examples.pairs).training_rows(data, examples)
    own = rows.numbers[:, features.names_.index("yes: candidate")]
    assert abs(own[examples.is_yes].mean() - own[~examples.is_yes].mean()) < 0.02


def test_the_great_circle_between_two_places() -> None:
    where = {"lat": [52.52, None], "lon": [13.4, 0.0]}
    people = Profiles(ids=("ann", "bob"), fields=where)
    jobs = Profiles(ids=("j0", "j1"), fields={"lat": [48.86, 52.52], "lon": [2.35, 13.4]})
    raw = [RawEvent("ann", "j0", "view", 1.0), RawEvent("ann", "j1", "apply", 2.0)]
    data = build(people, jobs, raw, until=None)
    features = PairFeatures(FeatureConfig(place=("lat", "lon")))
    pairs = make_examples(data).pairs
    rows = features.fit(data, pairs).rows(data, pairs)
    km = np.expm1(rows.numbers[:, features.names_.index("distance: place")])
    assert km == pytest.approx([878, 0], abs=2)
    with pytest.raises(DataError, match="jobs have no fields 'x' and 'lon' with numbers"):
        PairFeatures(FeatureConfig(place=("x", "lon"))).fit(data, pairs)


def test_what_later_data_lack_is_unknown() -> None:
    bare = build(
        None, Profiles(ids=("j0", "new")), [RawEvent("zoe", "j0", "view", 1.0)], until=None
    )
    numbers = asked(bare, 0, 1, 2.0)
    assert np.isnan(numbers["cosine: code"])
    assert np.isnan(numbers["same: category"])
    assert numbers["yes: job"] == 0


def test_codes_of_another_length_are_an_error() -> None:
    wide = replace(JOBS, codes=np.ones((4, 3), np.float32))
    other = build(replace(PEOPLE, codes=None), wide, RAW, until=None)
    with pytest.raises(ModelError, match="codes of jobs have 3 numbers, but the model learned"):
        asked(other, 0, 0, 1.0)


def test_columns_are_values_of_fields_and_frequent_ids() -> None:
    features = PairFeatures(CONFIG)
    pairs = make_examples(DATA).pairs
    rows: Rows = features.fit(DATA, pairs).rows(DATA, pairs)
    names = features.columns_
    assert len(names) == rows.job_columns.shape[1] + rows.candidate_columns.shape[1]
    assert {"job category=care", "job id=j0", "candidate id=ann"} <= set(names)
    assert set(np.unique(rows.job_columns.data)) == {1.0}
    assert len(features.fields_of_columns("job")) == rows.job_columns.shape[1]


def test_settings_are_checked() -> None:
    with pytest.raises(DataError, match="smoothing must be above 0"):
        FeatureConfig(smoothing=0)
