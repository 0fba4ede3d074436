import json

import numpy as np
import pytest

from matcher import evaluate as evaluating
from matcher.data import Profiles, RawEvent, build
from matcher.display import as_text
from matcher.evaluate import evaluate
from matcher.popularity import Popularity
from matcher.recent_popularity import RecentPopularity
from matcher.report import write_report
from matcher.splits import split
from tagger.errors import DataError
from tests.matcher.made_up import made_up, slow
from tests.matcher.models import NeedsText, Saved, Scripted, Tastes

KS = (1, 5, 10)


def evaluated(models=None, data=None, **options):
    data = data or made_up()
    models = models or {"popularity": Popularity(), "tastes": Tastes(), "text": NeedsText()}
    return evaluate(models, data, split(data), ks=KS, **options)


@pytest.fixture(scope="module")
def evaluation():
    return evaluated()


def test_who_knows_the_tastes_is_ahead_of_popularity():
    best, *_ = evaluated(data=made_up(200)).ranked
    assert best.name == "tastes"
    assert best.ahead["ndcg@10"].low > 0
    assert best.ranking["rank_auc"].value > 0.7
    assert best.pairs["gauc"].value > 0.5


def test_a_constant_is_as_good_as_chance():
    (model,) = evaluated({"same": Scripted((1.0,))}).models
    assert model.ranking["rank_auc"].value == pytest.approx(0.5)
    assert model.pairs["auc"].value == 0.5


def test_who_knows_the_answers_is_perfect():
    data = made_up(times=False)
    held = split(data)

    class Oracle(Scripted):
        def score_jobs(self, data, candidates, times=None):
            scores = np.zeros((len(candidates), len(data.jobs)))
            answer = dict(zip(held.candidates.tolist(), held.jobs.tolist(), strict=True))
            for row, candidate in enumerate(candidates):
                scores[row, answer[candidate]] = 1
            return scores

    (model,) = evaluate({"oracle": Oracle()}, data, held).models
    assert model.ranking["hit_rate@1"].value == model.ranking["ndcg@20"].value == 1
    assert model.ranking["mrr"].value == model.pairs["auc"].value == 1


def test_the_majority_stands_beside_the_accuracy(evaluation):
    assert evaluation.majority == max(evaluation.n_yes, evaluation.n_pairs - evaluation.n_yes) / (
        evaluation.n_pairs
    )
    assert "accuracy" in evaluation.models[1].pairs
    assert "accuracy" not in evaluation.models[0].pairs
    share = evaluation.n_yes / evaluation.n_pairs
    assert evaluation.share_loss == pytest.approx(
        -share * np.log(share) - (1 - share) * np.log(1 - share)
    )


def test_a_model_that_cannot_use_the_data_is_there_with_its_reason(evaluation):
    (failed,) = evaluation.failed
    assert (failed.name, failed.failure) == ("text", "jobs have no codes: give them a text")


def test_when_no_model_can_be_used_that_is_still_a_result():
    evaluation = evaluated({"text": NeedsText()})
    assert evaluation.ranked == []
    assert evaluation.reference == ""


def test_others_are_measured_against_the_best_baseline():
    models = {"worst": Scripted((1.0,)), "popular": Popularity(), "tastes": Tastes()}
    evaluation = evaluated(models)
    assert evaluation.reference == "popular"
    assert [bool(model.ahead) for model in evaluation.models] == [True, False, True]


def test_without_a_baseline_others_are_measured_against_the_best():
    assert evaluated({"same": Scripted((1.0,)), "tastes": Tastes()}).reference == "tastes"


def test_a_difference_is_narrower_than_two_scores_suggest(evaluation):
    _, tastes, _ = evaluation.models
    ahead = tastes.ahead["ndcg@10"]
    ours, theirs = (model.ranking["ndcg@10"] for model in (tastes, evaluation.models[0]))
    assert ahead.value == pytest.approx(ours.value - theirs.value)
    assert ahead.high - ahead.low < (ours.high - ours.low) + (theirs.high - theirs.low)
    equal = evaluated({"a": Popularity(), "b": Popularity()}).models[1].ahead["ndcg@10"]
    assert (equal.value, equal.low, equal.high) == (0, 0, 0)


def test_slices_hold_each_question_once():
    data = made_up(200)
    held = split(data, test_share=0.6)
    tastes = evaluate({"tastes": Tastes()}, data, held).models[0]
    assert held.is_new_job.any()
    n_new = held.is_new_job.sum()
    new, old = (tastes.slices[name]["mrr"].value for name in ("new jobs", "known jobs"))
    assert (new * n_new + old * (len(held) - n_new)) / len(held) == pytest.approx(
        tastes.ranking["mrr"].value
    )
    assert "new candidates" in tastes.slices


def test_both_protocols_are_told_where_there_are_times():
    models = {"recent": RecentPopularity(), "popular": Popularity()}
    data = made_up(200)
    recent, popular = evaluate(models, data, split(data, test_share=0.6)).models
    assert recent.frozen["ndcg@10"].value != recent.ranking["ndcg@10"].value
    assert popular.frozen["ndcg@10"] == popular.ranking["ndcg@10"]
    timeless = made_up(200, times=False)
    assert not evaluate({"popular": Popularity()}, timeless, split(timeless)).models[0].frozen


def test_coverage_grows_with_the_jobs_shown(evaluation):
    for model in evaluation.ranked:
        coverage = [model.coverage[f"coverage@{k}"] for k in KS]
        assert coverage == sorted(coverage)
        assert 0 < coverage[0] <= coverage[-1] <= 1
        assert 0 <= model.coverage["gini"] <= 1


def test_the_result_is_plain_json(evaluation):
    text = json.dumps(evaluation.to_json(), allow_nan=False)
    found = json.loads(text)
    assert found["models"][1]["ranking"]["ndcg@10"]["value"] > 0
    assert found["models"][2]["fit_s"] is None
    assert found["majority"] == evaluation.majority


def test_the_same_seed_gives_the_same_scores(evaluation):
    again = evaluated()
    for a, b in zip(again.ranked, evaluation.ranked, strict=True):
        assert (a.name, a.ranking, a.ahead, a.slices) == (b.name, b.ranking, b.ahead, b.slices)


@pytest.mark.parametrize("times", [True, False])
@pytest.mark.parametrize("codes", [True, False])
def test_each_kind_of_data_can_be_evaluated(times, codes):
    data = made_up(times=times, codes=codes, fields=False, actions=("view",))
    evaluation = evaluate({"popularity": Popularity()}, data, split(data))
    assert evaluation.target == "view"
    assert evaluation.are_sampled
    assert evaluation.ranked[0].ranking["hit_rate@10"].value > 0


def test_after_an_interruption_only_the_rest_runs(tmp_path):
    class Interrupted(Scripted):
        def fit(self, data, *, show_progress=False):
            raise KeyboardInterrupt

    class Counted(Scripted):
        n_fits = 0

    first = {"counted": Counted((1.0, 2.0)), "long": Interrupted()}
    with pytest.raises(KeyboardInterrupt):
        evaluated(first, work=tmp_path / "work")
    models = {"counted": Counted((1.0, 2.0)), "long": Scripted((3.0, 1.0))}
    resumed = evaluated(models, work=tmp_path / "work")
    assert Counted.n_fits == 1
    fresh = evaluated(models)
    assert Counted.n_fits == 2
    assert [m.ranking for m in resumed.models] == [m.ranking for m in fresh.models]
    assert [m.pairs for m in resumed.models] == [m.pairs for m in fresh.models]


def test_other_data_are_not_answered_from_what_was_kept(tmp_path):
    class Counted(Scripted):
        n_fits = 0

    for data in (made_up(), made_up(seed=1), made_up()):
        evaluated({"counted": Counted()}, data, work=tmp_path)
    assert Counted.n_fits == 2


def test_a_failure_is_not_kept(tmp_path):
    evaluated({"text": NeedsText()}, work=tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_no_model_and_no_k_are_one_clear_error():
    data = made_up()
    with pytest.raises(DataError, match="there is no model to evaluate"):
        evaluate({}, data, split(data))
    for ks in ((), (0, 5), (-1,)):
        with pytest.raises(DataError, match="numbers of jobs shown must be at least 1"):
            evaluate({"p": Popularity()}, data, split(data), ks=ks)


def test_who_has_met_everything_leaves_nothing_to_say_no_to(tmp_path):
    raw = [RawEvent(c, j, "apply") for c in "xy" for j in "abc"]
    data = build(None, Profiles(ids=tuple("abc")), raw, until=None)
    evaluation = evaluate({"p": Popularity()}, data, split(data))
    assert evaluation.n_pairs == 0
    assert evaluation.ranked[0].ranking["mrr"].value == 1
    assert "yes or no" in as_text(evaluation)
    write_report(tmp_path / "report.html", evaluation)


def test_more_shown_than_there_are_jobs():
    data = made_up()
    (model,) = evaluate({"p": Popularity()}, data, split(data), ks=(1000,)).models
    assert model.ranking["hit_rate@1000"].value == 1
    assert model.coverage["coverage@1000"] == 1


def test_jobs_held_out_whole_are_noted():
    data = made_up(times=False)
    n_wanted = int((data.matrix().sum(axis=0) > 0).sum())
    held = split(data, cold_share=0.25)
    found = evaluate({"popularity": Popularity()}, data, held, ks=KS)
    assert f"{n_wanted // 4} of the {n_wanted} jobs with apply events" in " ".join(found.notes)
    assert not split(data).notes


def test_what_a_model_says_of_its_training_is_noted(tmp_path):
    class Told(Scripted):
        notes_ = ("half of the pairs were left out",)

    data, models = made_up(), {"told": Told()}
    first, again = (evaluate(models, data, split(data), work=tmp_path).notes for _ in range(2))
    assert "told: half of the pairs were left out" in first
    assert first == again


def test_few_questions_are_noted():
    data = made_up()
    found = evaluate({"popularity": Popularity()}, data, split(data, max_questions=3), ks=KS)
    assert "only 3 questions: chance decides" in found.notes


def test_scores_that_are_not_numbers_are_noted():
    notes = evaluated({"broken": Scripted((np.nan,))}).notes
    assert any("broken" in note and "were not numbers" in note for note in notes)


def test_the_numbers_of_jobs_shown_decide_who_is_compared_by_what():
    assert evaluated().k == evaluating.PREFERRED_K == 10
    data = made_up()
    assert evaluate({"p": Popularity()}, data, split(data), ks=(3, 1)).k == 3


class Stopped(Scripted):
    """Stops after one of two steps, and goes on where it keeps them."""

    def fit(self, data, *, show_progress=False, checkpoint=None):
        if checkpoint is not None and not checkpoint.exists():
            checkpoint.mkdir(parents=True)
            raise KeyboardInterrupt
        return self


def test_a_stopped_training_goes_on_with_the_same_configuration(tmp_path):
    with pytest.raises(KeyboardInterrupt):
        evaluated({"stopped": Stopped((1.0,))}, work=tmp_path / "work")
    with pytest.raises(KeyboardInterrupt):
        evaluated({"stopped": Stopped((2.0,))}, work=tmp_path / "work")
    (model,) = evaluated({"stopped": Stopped((1.0,))}, work=tmp_path / "work").models
    assert not model.failure
    assert not evaluated({"stopped": Stopped((3.0,))}).models[0].failure


def test_pairs_under_way_are_judged_with_the_majority_beside():
    found = evaluated({"popularity": Popularity(), "saved": Saved()}, slow())
    popularity, saved = found.models
    assert (found.n_under_way, found.n_under_way_yes) == (60, 20)
    assert found.under_way_note.startswith("60 pairs with two steps or more")
    assert found.always_the_same["under_way"]["accuracy"] == pytest.approx(2 / 3)
    assert saved.under_way["auc"].value == saved.under_way["accuracy"].value == 1
    assert popularity.under_way["auc"].value < 1
    assert "accuracy" not in popularity.under_way
    assert json.loads(json.dumps(found.to_json(), allow_nan=False))["n_under_way"] == 60


def test_who_does_not_rank_jobs_stands_in_no_ranking():
    models = {"popularity": Popularity(), "saved": Saved(), "again": Saved()}
    found = evaluated(models, slow())
    assert [model.name for model in found.ranked] == [found.reference] == ["popularity"]
    assert [model.name for model in found.by_under_way[:2]] == ["saved", "again"]
    (note,) = [note for note in found.notes if "under way" in note]
    assert note == (
        "saved, again tell what becomes of pairs under way; they do not rank jobs that a candidate "
        "has not met"
    )
    text = as_text(found)
    ranking, _, under_way = text.partition("pairs under way")
    assert "saved" not in ranking
    assert "saved" in under_way.split("60 pairs with")[0]


def test_who_does_not_rank_jobs_may_be_evaluated_alone(tmp_path):
    found = evaluated({"saved": Saved()}, slow(), work=tmp_path)
    again = evaluated({"saved": Saved()}, slow(), work=tmp_path)
    assert again.models == found.models
    assert (found.reference, found.ranked) == ("", [])
    assert "NDCG" not in as_text(found)
    write_report(tmp_path / "report.html", found)
    page = (tmp_path / "report.html").read_text("utf-8")
    assert 'id="underway"' in page
    assert 'id="ranking"' not in page


def test_too_few_pairs_under_way_are_a_note():
    found = evaluated({"popularity": Popularity()}, slow(18))
    assert (found.n_under_way, found.under_way_note, found.models[0].under_way) == (0, "", {})
    assert any("are too few to be asked about" in note for note in found.notes)
    assert "pairs under way" not in as_text(found)
