"""Labels as arrays: what is known, and the way back."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tagger.errors import DataError
from tagger.jobs import Job
from tagger.labels import decode_labels, encode_labels, named_tags, tag_list
from tagger.tag_info import TagInfo

tag_sets = st.lists(st.frozensets(st.text(min_size=1, max_size=5), max_size=5), max_size=8)


@given(tag_sets)
def test_decoding_gives_back_the_sorted_tags(sets):
    jobs = [Job(str(i), text="x", tags=tuple(tags)) for i, tags in enumerate(sets)]
    tags = tag_list(jobs)
    decoded = decode_labels(encode_labels(jobs, tags), tags)
    assert decoded == [tuple(sorted(names)) for names in sets]


def test_the_tag_list_is_sorted_and_has_the_tags_said_no_to():
    jobs = [Job("1", tags=("sales", "b"), not_tags=("a",)), Job("2"), Job("3", tags=("b",))]
    assert tag_list(jobs) == ("a", "b", "sales")


INFOS = (TagInfo(name="Remote", aliases=("tele work",)), TagInfo(name="night"))


def test_labels_meet_described_tags_whatever_their_capitals_and_spaces():
    jobs = [
        Job("1", tags=("remote", "sales"), not_tags=("NIGHT",)),
        Job("2", tags=("Tele  Work", "REMOTE", "Sales")),
        Job("3"),
    ]
    infos, renamed = named_tags(jobs, INFOS)
    assert [info.name for info in infos] == ["Remote", "night", "Sales", "sales"]
    assert [(job.tags, job.not_tags) for job in renamed] == [
        (("Remote", "sales"), ("night",)),
        (("Remote", "Sales"), None),
        (None, None),
    ]


def test_a_label_that_could_mean_two_described_tags_is_refused_unless_it_is_one_of_them():
    infos = (TagInfo(name="go"), TagInfo(name="Go"), TagInfo(name="x", aliases=("go",)))
    (job,) = named_tags([Job("1", tags=("Go", "go"))], infos)[1]
    assert job.tags == ("Go", "go")
    with pytest.raises(DataError, match="tag 'GO' could mean 'Go' or 'go': write it as it is"):
        named_tags([Job("1", tags=("GO",))], infos)


def test_a_cell_is_yes_no_or_unknown():
    jobs = [
        Job("full", tags=("a",)),
        Job("none", tags=()),
        Job("partly", tags=("a",), not_tags=("b",)),
        Job("unlabelled"),
        Job("disputed", tags=("a",), not_tags=("a",)),
    ]
    Y = encode_labels(jobs, ["b", "a", "c"])
    assert Y.dtype == np.int8
    assert Y.tolist() == [[0, 1, 0], [0, 0, 0], [0, 1, -1], [-1, -1, -1], [-1, -1, -1]]


def test_no_jobs_have_no_rows():
    assert encode_labels([], ["a", "b"]).shape == (0, 2)


@pytest.mark.parametrize("job", [Job("7", tags=("x",)), Job("7", tags=(), not_tags=("x",))])
def test_a_tag_without_a_column_is_an_error(job):
    with pytest.raises(DataError, match="job '7' has the tag 'x', which is not one of the 2"):
        encode_labels([job], ["a", "b"])


def test_a_column_named_twice_is_an_error():
    with pytest.raises(DataError, match="named once"):
        encode_labels([], ["a", "a"])


def test_decoding_needs_a_column_per_tag():
    with pytest.raises(DataError, match=r"shape \(n_jobs, n_tags\) = \(any, 2\), got \(1, 3\)"):
        decode_labels(np.zeros((1, 3), dtype=np.int8), ["a", "b"])
