from matcher.als import AlsConfig, ImplicitALS
from matcher.data import MatchData, Profiles
from tests.matcher.made_up import made_up


def test_candidates_and_jobs_without_events_do_not_change_als():
    data = made_up(60, 20, times=False)
    idle = MatchData(
        candidates=Profiles(ids=(*data.candidates.ids, *(f"idle {n}" for n in range(200)))),
        jobs=Profiles(ids=(*data.jobs.ids, "unseen")),
        events=data.events,
    )
    config = AlsConfig(n_factors=4)
    alone, among = (ImplicitALS(config).fit(one) for one in (data, idle))
    assert alone.typical_size_ == among.typical_size_
    assert alone.factors_.shape == among.factors_.shape
