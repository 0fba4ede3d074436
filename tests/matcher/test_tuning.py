import json
from dataclasses import asdict, replace

import numpy as np
import optuna
import pytest

from matcher import registry, spaces, trials, tuning
from matcher.configs import make
from matcher.data import DAY, Action, Events, MatchData, Profiles
from matcher.held_out import Rivals
from matcher.spaces import OneOf, Span
from matcher.tuning import SearchConfig, judging_splits, search
from tagger.errors import DataError
from tests.matcher.leaning import Leaning
from tests.matcher.made_up import made_up, slow

SPACE = {"weight": Span(0.0, 1.0), "sizes": OneOf([4], [8, 2]), "twist.power": Span(1, 3)}
QUICK = SearchConfig(n_trials=3, n_splits=2, max_questions=20)


@pytest.fixture(autouse=True)
def leaning(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setitem(registry.MODELS, "leaning", "tests.matcher.leaning:Leaning")
    monkeypatch.setitem(spaces.SPACES, "leaning", SPACE)


@pytest.fixture
def storage():
    return optuna.storages.InMemoryStorage()


class Extremes:
    """In the place of a trial: the smallest or the largest of everything."""

    def __init__(self, place: int) -> None:
        self.place = place

    def suggest_float(self, name, *limits, log):
        return limits[self.place]

    suggest_int = suggest_float

    def suggest_categorical(self, name, values):
        return values[self.place]


def as_json(options):
    """Every option by its whole name, with lists for tuples."""
    found = {}
    for name, value in options.items():
        if isinstance(value, dict):
            found |= {f"{name}.{inner}": one for inner, one in as_json(value).items()}
        else:
            found[name] = json.dumps(value)
    return found


@pytest.mark.parametrize("place", [0, -1])
@pytest.mark.parametrize("name", [name for name in spaces.SPACES if name in registry.MODELS])
def test_every_space_fits_its_model(name, place):
    space = tuning.space_of(name)
    drawn = {option: one.suggest(Extremes(place), option) for option, one in space.items()}
    asked = tuning.nested(drawn)
    assert as_json(asked).items() <= as_json(asdict(make(name, asked).config)).items()


def test_the_best_configuration_can_be_trained(storage):
    found = search("leaning", made_up(), storage, QUICK)
    assert (found.n_finished + found.n_pruned, found.metric) == (3, "ndcg@10")
    assert 0 < found.value <= 1
    assert make("leaning", found.config).config.sizes in ((4,), (8, 2))


def test_a_search_goes_on_where_it_was_left(storage):
    data = made_up()
    first = search("leaning", data, storage, QUICK)
    again = search("leaning", data, storage, QUICK)
    assert again == first
    more = search("leaning", data, storage, SearchConfig(n_trials=5, n_splits=2, max_questions=20))
    assert more.n_finished + more.n_pruned == 5
    assert more.value >= first.value


def test_what_is_fixed_does_not_vary(storage):
    fixed = {"steps": 7, "twist": {"power": 2.0}, "sizes": (3, 1)}
    space = {"weight": Span(0.4, 0.6)}
    found = search("leaning", made_up(), storage, QUICK, fixed=fixed, space=space)
    assert (found.config["steps"], found.config["twist"]) == (7, {"power": 2.0})
    assert found == search("leaning", made_up(), storage, QUICK, fixed=fixed, space=space)


def test_a_search_of_something_else_is_refused(storage):
    search("leaning", made_up(), storage, QUICK, study_name="mine")
    other = SearchConfig(n_trials=3, n_splits=2, metric="hit_rate")
    with pytest.raises(DataError, match=r"'mine' has questions 20, not 2000: name another one"):
        search("leaning", made_up(), storage, other, study_name="mine")
    with pytest.raises(DataError, match=r"'mine' has fixed {}, not {'steps': 3}"):
        search("leaning", made_up(), storage, QUICK, study_name="mine", fixed={"steps": 3})
    with pytest.raises(DataError, match=r"'mine' has seed 0, not 1"):
        search("leaning", made_up(), storage, QUICK, study_name="mine", seed=1)


def test_other_data_than_the_search_began_with_are_told_of(storage, caplog):
    search("leaning", made_up(), storage, QUICK)
    assert not caplog.text
    search("leaning", made_up(50), storage, QUICK)
    assert "of 60 candidates with 40 jobs, now there are" in caplog.text


def test_questions_are_drawn_from_the_whole_window():
    (one,) = judging_splits(made_up(), SearchConfig(n_splits=1), seed=0)
    asked = []

    class Asked:
        def score_jobs(self, data, candidates, times):
            asked.extend(candidates.tolist())
            return np.zeros((len(candidates), len(data.jobs)))

    tuning._value(Asked(), one, SearchConfig(max_questions=5))
    assert len(asked) == 5
    assert asked != one.candidates[:5].tolist()
    assert set(asked) <= set(one.candidates.tolist())


@pytest.mark.parametrize("times", [True, False])
def test_a_trial_is_judged_among_the_jobs_that_an_evaluation_ranks(times):
    data = made_up(times=times)
    groups = np.arange(len(data.jobs)) // 2
    reposted = replace(data, jobs=replace(data.jobs, groups=groups))
    (one,) = judging_splits(reposted, SearchConfig(n_splits=1), seed=0)

    class BarredFirst:
        def score_jobs(self, data, candidates, times):
            rows = np.array([one.candidates.tolist().index(c) for c in candidates])
            return ~Rivals(one).of(rows) + 0.5 * (np.arange(len(groups)) == one.jobs[rows, None])

    assert tuning._value(BarredFirst(), one, SearchConfig()) == 1


def test_what_an_evaluation_asks_about_is_not_looked_at():
    from matcher.splits import split

    data = made_up()
    held = split(data, seed=0)
    latest = held.train.events.times.max()
    for one in judging_splits(data, QUICK, seed=0):
        assert one.known.events.times.max() <= latest
    timeless = made_up(times=False)
    asked = split(timeless, seed=0)
    pairs = set(zip(asked.candidates.tolist(), asked.jobs.tolist(), strict=True))
    for one in judging_splits(timeless, QUICK, seed=0):
        assert not pairs & set(zip(one.candidates.tolist(), one.jobs.tolist(), strict=True))


@pytest.fixture
def other(storage):
    """The same search in another process."""
    return optuna.create_study(
        storage=storage, study_name="both", direction="maximize", load_if_exists=True
    )


@pytest.mark.parametrize("is_finished", [True, False])
def test_trials_that_others_run_count_until_they_fail(storage, other, monkeypatch, is_finished):
    theirs = other.ask()

    def end(seconds: float) -> None:
        state = None if is_finished else optuna.trial.TrialState.FAIL
        other.tell(theirs, 0.0 if is_finished else None, state=state)

    monkeypatch.setattr(trials, "sleep", end)
    found = search("leaning", made_up(), storage, QUICK, study_name="both")
    assert (found.n_finished + found.n_pruned, found.n_failed) == (3, 0)
    assert len(other.trials) == (3 if is_finished else 4)


def test_of_trials_that_begin_at_once_those_with_higher_numbers_are_too_many(other):
    begun = [other.ask() for _ in range(4)]
    assert [trials._is_too_many(other, one.number, 3) for one in begun] == [False] * 3 + [True]
    other.tell(begun[0], state=optuna.trial.TrialState.FAIL)
    assert not trials._is_too_many(other, begun[3].number, 3)


def test_what_comes_too_late_is_neither_finished_nor_failed(storage, monkeypatch):
    answers = iter([True, False, False, False])
    monkeypatch.setattr(trials, "_is_too_many", lambda *_: next(answers))
    found = search("leaning", made_up(), storage, QUICK)
    assert (found.n_finished + found.n_pruned, found.n_failed) == (3, 0)


def test_after_the_time_is_up_others_are_not_waited_for(storage, other, monkeypatch):
    other.ask()
    monkeypatch.setattr(trials, "sleep", lambda seconds: None)
    config = SearchConfig(n_trials=1, timeout_s=0.0, n_splits=1, max_questions=5)
    with pytest.raises(DataError, match="could be finished: there was no time"):
        search("leaning", made_up(), storage, config, study_name="both")


def test_a_result_tells_what_was_varied_and_what_did_not_finish(storage):
    found = search("leaning", made_up(), storage, QUICK, space={"sizes": OneOf([8, 2])})
    assert str(found) == f"ndcg@10 {found.value:.4f} is the best of 3 trials: sizes [8, 2]"
    trials = [{"number": 4, "value": 0.25, "weight": 0.123456, "steps": 7}]
    more = replace(found, n_finished=1, n_pruned=2, n_failed=1, reason="too few", trials=trials)
    assert str(more).endswith(
        " is the best of 1 trial, 2 more were given up, 1 failed (too few): weight 0.1235, steps 7"
    )


def test_a_trial_that_falls_behind_is_given_up(storage, monkeypatch):
    values = iter([0.9] * 10 + [0.1] * 10)
    monkeypatch.setattr(tuning, "_value", lambda *_: next(values))
    found = search("leaning", made_up(), storage, SearchConfig(n_trials=7, n_splits=2))
    assert (found.n_finished, found.n_pruned) == (5, 2)


def test_data_that_a_model_cannot_use_end_the_search_with_the_reason(storage):
    with pytest.raises(DataError, match=r"no trial of .* could be finished: leaning needs codes"):
        search("leaning", made_up(codes=False), storage, QUICK)


def test_a_configuration_that_fails_is_not_the_end(storage):
    space = {"weight": OneOf(0.5, 0.5, 3.0)}
    found = search("leaning", made_up(), storage, QUICK, space=space)
    assert found.config["weight"] == 0.5


def test_trials_that_failed_are_counted_with_the_latest_reason(storage, monkeypatch):
    answers = iter([DataError("one"), DataError("two"), 0.5, 0.5, 0.5])

    def judge(*_: object, **__: object) -> float:
        if isinstance(answer := next(answers), DataError):
            raise answer
        return answer

    monkeypatch.setattr(tuning, "_judge", judge)
    found = search("leaning", made_up(), storage, QUICK)
    assert (found.n_finished, found.n_failed, found.reason) == (3, 2, "two")


def test_an_interrupted_search_goes_on(storage, monkeypatch):
    def stop(*_: object) -> float:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(tuning, "_value", stop)
        with pytest.raises(KeyboardInterrupt) as stopped:
            search("leaning", made_up(), storage, QUICK)
    assert stopped.value.__notes__ == ["what was tried is kept; start it again to go on"]
    found = search("leaning", made_up(), storage, QUICK)
    assert found.n_finished + found.n_pruned == 3


def test_after_the_time_is_up_no_trial_begins(storage):
    config = SearchConfig(n_trials=50, timeout_s=0.0, n_splits=1, max_questions=5)
    assert search("leaning", made_up(), storage, config).n_finished == 1


def test_a_model_without_a_space_says_which_have_one():
    with pytest.raises(
        DataError, match=r"popularity has nothing to tune; what can be tuned: .*lea"
    ):
        tuning.space_of("popularity")


@pytest.mark.parametrize("options", [{"metric": "luck"}, {"k": 0}, {"n_splits": 0}])
def test_wrong_settings_are_refused(options):
    with pytest.raises(DataError, match=r"unknown metric 'luck'|must be at least 1, got 0"):
        SearchConfig(**options)


class Judging(Leaning):
    """Does not rank jobs; with much weight it knows that who saved a job will apply."""

    ranks_jobs = False

    def fit(self, data, *, show_progress=False):
        return self

    def score_pairs(self, data, pairs):
        is_saved = data.matrix(Action.SAVE).toarray() > 0
        return is_saved[pairs.candidates, pairs.jobs] * (self.config.weight - 0.5)


@pytest.fixture
def judging(monkeypatch):
    monkeypatch.setitem(registry.MODELS, "judging", "tests.matcher.test_tuning:Judging")
    monkeypatch.setitem(spaces.SPACES, "judging", {"weight": OneOf(0.2, 0.8)})


def test_a_model_that_does_not_rank_jobs_is_judged_by_pairs_under_way(judging, storage):
    config = SearchConfig(n_trials=5, n_splits=1)
    found = search("judging", slow_twice(), storage, config)
    assert (found.metric, found.value) == ("AUC of pairs under way", 1)
    assert found.config["weight"] == 0.8


def test_without_pairs_under_way_such_a_model_cannot_be_tuned(judging, storage):
    with pytest.raises(
        DataError, match=r"judging is judged by .* 0 of which came to it afterwards"
    ):
        search("judging", made_up(), storage, QUICK)
    with pytest.raises(DataError, match=r"events with times and several actions are needed"):
        search("judging", made_up(times=False), storage, QUICK)
    with pytest.raises(DataError, match=r"leave the metric out"):
        search("judging", slow_twice(), storage, SearchConfig(metric="ndcg"))


def slow_twice():
    """Pairs that are under way within what an evaluation learns from, and others later."""
    data = slow()
    events = data.events
    both = Events(
        np.r_[events.candidates, events.candidates],
        np.r_[events.jobs, events.jobs + len(data.jobs)],
        np.r_[events.actions, events.actions],
        np.r_[events.times, events.times + 60 * DAY],
    )
    jobs = Profiles(ids=(*data.jobs.ids, *(f"{id} again" for id in data.jobs.ids)))
    return MatchData(candidates=data.candidates, jobs=jobs, events=both.in_order())
