import numpy as np

from matcher.data import Profiles, RawEvent, build
from matcher.explain import Explainer
from matcher.popularity import Popularity
from tests.matcher.leaning import Leaning


def known(*, codes: bool = True):
    """p applied to a and viewed b; c is like a; d is like nothing."""
    vectors = np.array([[1, 0, 0], [0, 1, 0], [0.9, 0.1, 0], [0, 0, 0]], np.float32)
    jobs = Profiles(
        ids=("a", "b", "c", "d"),
        codes=vectors if codes else None,
        fields={"city": ["Oslo", "Oslo; Bergen", '["Oslo"]', None], "pay": [3, 4, 5, None]},
    )
    people = Profiles(
        ids=("p", "q", "r"), codes=np.array([[1, 0, 0], [0, 0, 0], [0, 0, 0]], np.float32)
    )
    people = people if codes else Profiles(ids=people.ids)
    events = [
        RawEvent("p", "a", "view", 0.0),
        RawEvent("p", "a", "apply", 86_400.0),
        RawEvent("p", "b", "view", 90_000.0),
        RawEvent("q", "c", "apply", 90_000.0),
        RawEvent("q", "a", "apply", 90_000.0),
    ]
    return build(people, jobs, events, until=None)


def sentences(candidate: int, job: int, *, codes: bool = True, model=None) -> list[str]:
    data = known(codes=codes)
    return Explainer(model or Popularity(), data).sentences(candidate, job)


def test_the_nearest_jobs_of_the_history_are_named_with_what_was_done():
    found = sentences(0, 2)
    assert found[0] == (
        "its text is like that of job a (0.99), which they applied to on 1970-01-02"
    )
    assert "its text is like their resume (0.99)" in found
    assert not any("job b" in sentence for sentence in found)


def test_shared_fields_and_popularity_are_told():
    found = sentences(0, 2)
    assert "city is Oslo, as in 2 of their 2 jobs" in found
    assert not any(sentence.startswith("pay") for sentence in found)
    assert "1 candidate applied to it, the 2nd most of 4 jobs" in found


def test_a_new_job_for_a_new_candidate_still_has_a_sentence():
    assert sentences(2, 3) == [
        "nobody has applied to it yet",
        "nothing is known yet of what this candidate looked at",
    ]


def test_reasons_do_not_depend_on_whom_was_asked_about_before():
    explainer = Explainer(Popularity(), known())
    asked = [(0, 2), (1, 3), (0, 2), (2, 0), (1, 0)]
    assert [explainer.sentences(*one) for one in asked] == [sentences(*one) for one in asked]


def test_without_codes_nothing_is_said_of_texts():
    assert not any("text" in sentence for sentence in sentences(0, 2, codes=False))


def test_the_parts_of_a_model_are_told_where_it_offers_them():
    found = sentences(0, 2, model=Leaning())
    assert found[-1] == "the model's score was moved most by popularity -1.50, likeness +0.25"
