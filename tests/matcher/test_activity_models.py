"""All ways to aggregate activity keep one contract."""

import json
import subprocess
import sys

import numpy as np
import pytest

from matcher import registry
from matcher.activity import ActivityConfig
from matcher.activity_learned import LearnedConfig
from matcher.activity_models import ActivityMatcher, DecayActivity, MeanActivity
from matcher.activity_rows import training_rows
from matcher.base import Pairs
from matcher.data import DAY, MatchData, Profiles, RawEvent, build
from matcher.metrics import ranking_auc, ranks
from matcher.splits import split
from tagger.errors import ModelError
from tests.matcher.made_up import made_up

pytestmark = [
    pytest.mark.usefixtures("eager"),
    pytest.mark.filterwarnings("ignore:Even though the `tf.config"),
]
WAYS = [name for name in registry.MODELS if name.startswith("activity-")]
SMALL = {"steps": 6, "n_numbers": 8, "min_rows": 1, "n_negatives": 3, "decays": (0.5, 1.0)}
EVERYONE = np.arange(60)


def model(name, **options):
    kind = registry.find(name)
    extra = {"epochs": 2, "batch": 128} if kind.config_class is LearnedConfig else {}
    return kind(kind.config_class(**SMALL, **extra, **options), seed=1)


@pytest.fixture(scope="module")
def data() -> MatchData:
    return made_up()


@pytest.fixture(scope="module", params=WAYS)
def fitted(request, data, eager) -> ActivityMatcher:
    return model(request.param).fit(data)


def test_it_comes_back_from_its_folder_with_the_same_answers(fitted, data, tmp_path):
    registry.save(fitted, tmp_path / "model")
    loaded, _ = registry.load(tmp_path / "model")
    same = pytest.approx(fitted.score_jobs(data, EVERYONE), abs=1e-5)
    assert loaded.score_jobs(data, EVERYONE) == same
    assert loaded.embed(data, EVERYONE) == pytest.approx(fitted.embed(data, EVERYONE), abs=1e-5)


def test_pairs_get_the_scores_of_the_whole_list(fitted, data):
    jobs = np.arange(len(data.jobs))
    pairs = Pairs(np.repeat([3, 5], len(jobs)), np.tile(jobs, 2), np.full(2 * len(jobs), np.nan))
    whole = fitted.score_jobs(data, np.array([3, 5])).ravel()
    assert fitted.score_pairs(data, pairs) == pytest.approx(whole, abs=1e-4)


def test_nothing_that_happens_at_the_moment_or_later_changes_a_score(fitted, data):
    moment = float(np.median(data.events.times))
    pairs = Pairs(EVERYONE, np.full(60, 7), np.full(60, moment))
    past = data.with_events(data.events.before(moment))
    assert fitted.score_pairs(data, pairs) == pytest.approx(
        fitted.score_pairs(past, pairs), abs=1e-5
    )


def test_all_jobs_can_be_scored_at_a_moment_for_each_candidate(fitted, data):
    moments = np.quantile(data.events.times, [0.3, 0.6])
    jobs = np.arange(len(data.jobs))
    asked = (np.repeat([3, 5], len(jobs)), np.tile(jobs, 2), np.repeat(moments, len(jobs)))
    whole = fitted.score_jobs(data, np.array([3, 5]), moments).ravel()
    assert fitted.score_pairs(data, Pairs(*asked)) == pytest.approx(whole, abs=1e-4)


def test_who_did_nothing_has_zeros_and_the_same_score_for_all(fitted, data):
    idle = data.with_events(data.events.take(data.events.candidates != 2))
    assert not fitted.embed(idle, np.array([2])).any()
    assert not np.ptp(fitted.score_jobs(idle, np.array([2])))


def test_new_jobs_are_scored_by_their_code_at_once(fitted, data):
    codes = np.concatenate([data.jobs.codes, data.jobs.codes[:1]])
    more = MatchData(
        candidates=data.candidates,
        jobs=Profiles(ids=(*data.jobs.ids, "new"), codes=codes),
        events=data.events,
    )
    scores = fitted.score_jobs(more, EVERYONE)
    never = ~np.isin(EVERYONE, data.events.candidates[data.events.jobs == 0])
    assert scores[never, -1] == pytest.approx(scores[never, 0], abs=1e-4)


@pytest.mark.parametrize("name", ["activity-mean", "activity-decay", "activity-cnn"])
@pytest.mark.parametrize("without", ["codes", "times"])
def test_it_ranks_better_than_chance_with_whatever_there_is(name, without):
    held = split(made_up(150, **{without: False}), min_events=2)
    found = model(name).fit(held.train)
    scores = found.score_jobs(held.known, held.candidates)
    auc = ranking_auc(ranks(scores, held.jobs), scores.shape[1])
    assert auc[~held.is_new_job].mean() > 0.55


def test_nothing_asked_is_nothing_answered(data, fitted):
    none = np.array([], np.intp)
    assert fitted.score_pairs(data, Pairs(none, none, np.array([]))).shape == (0,)
    assert fitted.score_jobs(data, none).shape == (0, len(data.jobs))


def test_the_same_seed_gives_the_same_model(data):
    a, b = (model("activity-cnn").fit(data).score_jobs(data, EVERYONE) for _ in range(2))
    assert (a == b).all()


def test_training_starts_at_the_decaying_mean(data):
    decay, cnn = model("activity-decay").fit(data), model("activity-cnn").fit(data)
    rows = training_rows(data, cnn.config)
    cnn.embedder_, cnn.head_ = cnn._train(
        rows, cnn.vectors_.fit_for_training(data), cnn.means_, 0, cnn.config
    )
    same = pytest.approx(decay.score_jobs(data, EVERYONE), abs=1e-4)
    assert cnn.score_jobs(data, EVERYONE) == same


@pytest.mark.parametrize("name", ["activity-cnn", "activity-lstm", "activity-transformer"])
def test_a_network_alone_learns_too(name, data):
    found = model(name, with_means=False).fit(data)
    assert found.epochs_ >= 1
    assert np.ptp(found.score_jobs(data, EVERYONE), axis=1).any()


def drifting() -> MatchData:
    """Everyone moves on from one job of a field to the next, and to another field midway."""
    rng = np.random.default_rng(0)
    events = []
    for person in range(80):
        first, then = rng.permutation(4)[:2]
        fields = [first] * 6 + [then] * 6
        for step, field in enumerate(fields):
            job = f"{field}-{rng.integers(30)}"
            events.append(RawEvent(f"c{person}", job, "apply", DAY * (person / 4 + step / 10)))
    ids = tuple(f"{field}-{n}" for field in range(4) for n in range(30))
    codes = np.eye(4)[np.arange(120) // 30] + rng.normal(scale=0.05, size=(120, 4))
    return build(None, Profiles(ids=ids, codes=codes.astype(np.float32)), events, until=None)


def test_where_the_latest_actions_say_more_the_decay_is_below_one_and_better():
    config = ActivityConfig(decays=(0.3, 1.0))
    data = drifting()
    decay, mean = DecayActivity(config).fit(data), MeanActivity(config).fit(data)
    assert (mean.means_.r, decay.means_.r) == (1.0, 0.3)
    assert decay.tried_["0.3"] > decay.tried_["1.0"]


def test_each_action_type_has_its_mean_and_its_weight():
    found = made_up(actions=("view", "apply", "dismiss"))
    mean = model("activity-mean").fit(found)
    assert mean.embed(found, EVERYONE).shape == (60, 3 * 8)
    weight = dict(zip(mean.means_.actions.tolist(), mean.means_.weights.tolist(), strict=True))
    assert weight[0] < max(weight.values())  # 0: dismiss


def test_codes_of_another_model_are_refused(fitted, data):
    codes = data.jobs.codes[:, :5]
    other = MatchData(
        candidates=Profiles(ids=data.candidates.ids),
        jobs=Profiles(ids=data.jobs.ids, codes=codes),
        events=data.events,
    )
    with pytest.raises(ModelError, match="job codes of 8 numbers, got 5"):
        fitted.score_jobs(other, EVERYONE)


def test_reposts_of_a_job_one_met_are_scored_without_it(data):
    groups = np.arange(len(data.jobs))
    groups[1] = 0
    jobs = Profiles(ids=data.jobs.ids, codes=data.jobs.codes, groups=groups)
    twins = MatchData(candidates=data.candidates, jobs=jobs, events=data.events)
    mean = model("activity-mean").fit(twins)
    whole = mean.score_jobs(twins, EVERYONE)
    pairs = Pairs(EVERYONE, np.ones(60, np.intp), np.full(60, np.nan))
    assert mean.score_pairs(twins, pairs) == pytest.approx(whole[:, 1], abs=1e-5)


def test_training_leaves_what_tensorflow_writes_unsaid():
    code = (
        "from matcher.configs import make; from tests.matcher.made_up import made_up; "
        f"make('activity-cnn', {json.dumps({**SMALL, 'epochs': 1})}).fit(made_up(20))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stderr == ""
