"""A challenger from a champion."""

import resource
from dataclasses import replace

import numpy as np
import pytest

from tagger.errors import ModelError
from tagger.features import count, count_all
from tagger.jobs import Job
from tagger.labels import encode_labels
from tagger.model import TagModel
from tagger.retraining import code_drift, train_challenger
from tagger.storage import META
from tagger.tag_info import plain_tags
from tagger.tagger import JobTagger

TAGS = ("care", "driving", "kitchen", "rare", "remote", "software")
INFOS = plain_tags(TAGS)


@pytest.fixture(scope="module")
def parent(tiny_tagger, tmp_path_factory):
    folder = tmp_path_factory.mktemp("parent") / "model"
    tiny_tagger.save(folder)
    return folder


@pytest.fixture(scope="module")
def others(tiny_jobs):
    """Unlabelled jobs that are much like the labelled ones."""
    return [Job(f"o{i}", job.title, job.text + " again") for i, job in enumerate(tiny_jobs[:20])]


@pytest.mark.usefixtures("eager")
@pytest.mark.filterwarnings("ignore:Even though the `tf.config")
class TestUpdate:
    def test_codes_stay_exactly_as_they_are(self, parent, tiny_jobs, tmp_path):
        found = train_challenger(tmp_path / "m", tiny_jobs, INFOS, [], parent=parent)
        before, after = TagModel.load(parent), TagModel.load(tmp_path / "m")
        assert found.drift == 0
        np.testing.assert_array_equal(before.encode(tiny_jobs), after.encode(tiny_jobs))

    def test_a_new_tag_grows_the_output_and_is_learned(self, parent, tiny_jobs, tmp_path):
        jobs = [
            replace(job, tags=(*job.tags, "early")) if "early" in job.text else job
            for job in tiny_jobs
            if job.not_tags is None
        ]
        tags = (*TAGS, "early")
        found = train_challenger(tmp_path / "m", jobs, plain_tags(tags), [], parent=parent)
        assert tuple(found.thresholds) == TagModel.load(tmp_path / "m").tags == tags
        assert found.thresholds["early"] is not None

    def test_refreshed_codes_say_how_far_they_moved(self, parent, tiny_jobs, others, tmp_path):
        found = train_challenger(
            tmp_path / "m", tiny_jobs, INFOS, others, parent=parent, refresh=True
        )
        assert 0 <= found.drift < 0.5

    @pytest.mark.parametrize(
        ("tried", "refresh", "is_tried"),
        [
            ({"labelled": 1000, "kept": False}, False, False),
            ({"labelled": 1000, "kept": True}, False, True),
            ({"labelled": 1000, "kept": False}, True, True),
            ({"labelled": 10, "kept": False}, False, True),
        ],
        ids=["it did not help", "it helped", "other codes", "twice the labels"],
    )
    def test_a_network_is_trained_again_where_it_may_help(
        self, parent, tiny_jobs, tried, refresh, is_tried
    ):
        tagger = JobTagger.load(parent)
        tagger.model_.meta["network"] = tried
        Y = encode_labels(tiny_jobs, TAGS)
        tagger.partial_fit(count_all(tiny_jobs), Y, TAGS, refresh=refresh)
        assert ("classifier" in tagger.histories_) is is_tried
        assert (tagger.model_.meta["network"] == tried) is not is_tried

    def test_the_parent_is_not_changed(self, parent, tiny_jobs, tmp_path):
        before = (parent / META).read_bytes()
        train_challenger(tmp_path / "m", tiny_jobs[:40], INFOS, [], parent=parent)
        assert (parent / META).read_bytes() == before
        assert TagModel.load(tmp_path / "m").meta["data"]["labelled"] == 40

    def test_terms_stay_and_those_of_new_jobs_come(self, parent, tiny_jobs, tmp_path):
        new = [Job(f"n{i}", "Nurse", "kafka on the ward", tags=("care",)) for i in range(2)]
        jobs = [*tiny_jobs[:20], *new]
        train_challenger(tmp_path / "m", jobs, INFOS, [], parent=parent)
        before, after = (TagModel.load(at).vocabulary for at in (parent, tmp_path / "m"))
        kafka = count([Job("1", text="kafka")]).terms.indices[0]
        assert set(before.hashes.tolist()) < set(after.hashes.tolist())
        assert kafka in after.hashes
        assert kafka not in before.hashes

    def test_a_model_goes_on_without_labels_by_names(self, parent, others, tmp_path):
        found = train_challenger(tmp_path / "m", [], INFOS, others, parent=parent)
        model = TagModel.load(tmp_path / "m")
        assert found.metrics["macro_f1"] is None
        assert found.metrics["n_labelled"] == 0
        assert all("no labels yet" in remark for remark in model.remarks.values())
        assert model.predict_all(others).scores.shape == (20, 6)

    def test_a_full_disk_leaves_nothing_behind(self, parent, tiny_jobs, tmp_path):
        soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
        resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, hard))
        try:
            with pytest.raises(ModelError, match="can't write the model"):
                train_challenger(tmp_path / "m", tiny_jobs, INFOS, [], parent=parent)
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
        assert list(tmp_path.iterdir()) == []

    def test_a_changed_parent_is_refused(self, parent, tiny_jobs, tmp_path):
        import shutil

        damaged = shutil.copytree(parent, tmp_path / "damaged")
        path = damaged / "mixture.npz"
        content = bytearray(path.read_bytes())
        content[len(content) // 2] ^= 1
        path.write_bytes(content)
        with pytest.raises(ModelError, match="sha256"):
            train_challenger(tmp_path / "m", tiny_jobs, INFOS, [], parent=damaged)
        assert not (tmp_path / "m").exists()


def test_drift_is_nothing_for_equal_codes_and_two_for_opposite_ones():
    codes = np.random.default_rng(0).normal(size=(5, 3))
    assert code_drift(codes, 2 * codes) == pytest.approx(0)
    assert code_drift(codes, -codes) == pytest.approx(2)
