"""Models, aliases, promotions and rollbacks."""

import pytest

from db.engine import reading, writing
from db.errors import StoreError
from db.registry import (
    ANCHOR,
    CHALLENGER,
    CHAMPION,
    TrainedModel,
    aliased,
    aliases_of,
    difference,
    find_model,
    model_tags,
    promote,
    prunable,
    prune,
    register,
    remove_folders,
    rollback,
    set_alias,
)
from db.schema import CodeVersion, Prediction, PredictionSet


@pytest.fixture
def add_model(engine):
    """`add_model("a", remote=0.5)`: a model that knows these tags; its id."""

    def add(folder: str, **thresholds: float | None) -> int:
        from db.engine import now

        with writing(engine) as session:
            version = CodeVersion(n_numbers=2, drift=None, created_at=now(session))
            session.add(version)
            session.flush()
            trained = TrainedModel(
                folder=folder,
                sha256="0" * 64,
                thresholds=thresholds,
                snapshot="1" * 64,
                seed=0,
                versions={},
                metrics={"mean_average_precision": 0.5},
                labelled_ids=[],
                unlabelled_ids=[],
            )
            return register(session, trained, parent=None, code_version=version).id

    return add


def go_live(engine, *models: int) -> None:
    for model in models:
        with writing(engine) as session:
            promote(session, find_model(session, str(model)), reason="test")


def champion(engine) -> int | None:
    with reading(engine) as session:
        found = aliased(session, CHAMPION)
        return found.id if found else None


def roll_back(engine) -> None:
    with writing(engine) as session:
        rollback(session)


def test_a_model_is_found_by_number_folder_and_alias(engine, add_model):
    model = add_model("a", remote=0.5, nurse=None)
    go_live(engine, model)
    with reading(engine) as session:
        assert {find_model(session, name).id for name in (str(model), "a", "champion")} == {model}
        assert model_tags(session, find_model(session, "a")) == {"remote": 0.5, "nurse": None}
        with pytest.raises(StoreError, match="no model 'b'"):
            find_model(session, "b")


def test_rollback_goes_back_step_by_step(engine, add_model):
    a, b, c = (add_model(name) for name in "abc")
    go_live(engine, a, b, c)
    roll_back(engine)
    assert champion(engine) == b
    roll_back(engine)
    assert champion(engine) == a
    with pytest.raises(StoreError, match="first champion"):
        roll_back(engine)
    assert champion(engine) == a


def test_after_a_rollback_another_model_can_go_live_and_back(engine, add_model):
    a, b, c = (add_model(name) for name in "abc")
    go_live(engine, a, b)
    roll_back(engine)
    go_live(engine, c)
    roll_back(engine)
    assert champion(engine) == a


def test_without_a_champion_there_is_nothing_to_roll_back(engine):
    with pytest.raises(StoreError, match="no champion"):
        roll_back(engine)


def test_a_promoted_challenger_is_no_challenger_any_more(engine, add_model):
    model = add_model("a")
    with writing(engine) as session:
        set_alias(session, CHALLENGER, find_model(session, "a"))
    go_live(engine, model)
    with reading(engine) as session:
        assert aliased(session, CHALLENGER) is None


def test_promoting_the_champion_again_changes_nothing(engine, add_model):
    go_live(engine, add_model("a"))
    with writing(engine) as session:
        assert promote(session, find_model(session, "a"), reason="again") is None


def test_rolling_back_goes_on_past_a_model_that_was_live_twice(engine, add_model):
    a, b = add_model("a"), add_model("b")
    go_live(engine, a, b, a)
    roll_back(engine)
    assert champion(engine) == b
    roll_back(engine)
    assert champion(engine) == a
    with pytest.raises(StoreError, match="first champion"):
        roll_back(engine)


def anchor(engine):
    with reading(engine) as session:
        return aliased(session, ANCHOR).id


def test_the_anchor_stays_where_one_that_is_not_the_best_goes_live(engine, add_model):
    a, b, c = (add_model(name) for name in "abc")
    for model, is_best in ((a, False), (b, False), (c, True)):
        with writing(engine) as session:
            promote(session, find_model(session, str(model)), reason="a test", is_best=is_best)
        assert anchor(engine) == (c if model == c else a)  # the first one is the best so far
    with reading(engine) as session:
        assert aliases_of(session, find_model(session, "anchor")) == ["champion", "anchor"]
        assert prunable(session, keep=0) == [find_model(session, "a")]


def test_a_rollback_takes_the_anchor_back_only_from_the_model_that_goes(engine, add_model):
    a, b, c = (add_model(name) for name in "abc")
    go_live(engine, a)
    for model in (b, c):
        with writing(engine) as session:
            promote(session, find_model(session, str(model)), reason="a test", is_best=False)
    roll_back(engine)
    assert (champion(engine), anchor(engine)) == (b, a)
    go_live(engine, c)
    assert anchor(engine) == c
    roll_back(engine)
    assert (champion(engine), anchor(engine)) == (b, b)


def test_fewer_models_than_are_kept_are_all_kept(engine, add_model):
    for name in "abc":
        add_model(name)
    with reading(engine) as session:
        assert prunable(session, keep=5) == []
        assert len(prunable(session, keep=2)) == 1


def test_pruning_keeps_what_is_live_or_could_be_again(engine, add_model, tmp_path):
    models = [add_model(name) for name in "abcdef"]
    store = tmp_path / "store"
    for name in "abcdef":
        (store / name).mkdir(parents=True)
    go_live(engine, models[1], models[2])
    with writing(engine) as session:
        set_alias(session, CHALLENGER, find_model(session, "d"))
        assert [model.folder for model in prunable(session, keep=1)] == ["a", "e"]
        gone = [model.folder for model in prune(session, keep=1)]
    remove_folders(store, gone)
    assert sorted(path.name for path in store.iterdir()) == ["b", "c", "d", "f"]
    with pytest.raises(StoreError, match="was pruned"):
        go_live(engine, models[0])
    assert champion(engine) == models[2]


def test_models_are_compared_on_the_jobs_that_both_have_tagged(engine, add_model, add_jobs):
    a, b = add_model("a", remote=0.5, nurse=0.5), add_model("b", remote=0.5)
    jobs = add_jobs(3)
    with writing(engine) as session:
        at = find_model(session, "a").created_at
        tag = 1
        for model, given in ((a, (True, True, False)), (b, (True, False))):
            for job, decision in zip(jobs, given, strict=False):
                key = {"model_id": model, "job_id": job}
                session.add(PredictionSet(**key, needs_review=False, predicted_at=at))
                session.flush()
                session.add(
                    Prediction(
                        **key, tag_id=tag, score=0, probability=0.5, decision=decision, review=False
                    )
                )
    with reading(engine) as session:
        found = difference(session, find_model(session, "a"), find_model(session, "b"))
    assert (found["only_a"], found["only_b"], found["n_jobs"]) == (["nurse"], [], 2)
    assert found["tags"] == [{"tag": "remote", "both": 1, "only_a": 1, "only_b": 0}]


def test_a_tag_that_a_model_has_not_learned_counts_as_not_given(engine, add_model, add_jobs):
    a, b = add_model("a", remote=0.5), add_model("b", remote=None)
    (job,) = add_jobs(1)
    with writing(engine) as session:
        at = find_model(session, "a").created_at
        for model in (a, b):
            session.add(
                PredictionSet(model_id=model, job_id=job, needs_review=False, predicted_at=at)
            )
        session.flush()
        said = {"score": 0, "probability": 0.9, "decision": True, "review": False}
        session.add(Prediction(model_id=a, job_id=job, tag_id=1, **said))
    with reading(engine) as session:
        found = difference(session, find_model(session, "a"), find_model(session, "b"))
    assert found["tags"] == [{"tag": "remote", "both": 0, "only_a": 1, "only_b": 0}]
