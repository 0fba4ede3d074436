"""`jobtool match` on files: what it prints, where it writes, how it ends."""

import json
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from matcher import registry
from tests.match.asked import as_files, match, write
from tests.matcher.made_up import made_up

# ---- train


def test_a_model_is_trained_and_saved_in_a_folder(files):
    done = match("train", "popularity", *files)
    assert done.exit_code == 0, done.output
    assert done.stdout.startswith("Trained popularity to predict apply on ")
    assert "60 candidates with 40 jobs" in done.stdout
    assert "candidates have no codes" in done.stderr
    assert (Path("match-model") / "meta.json").is_file()


def test_training_as_json_tells_what_it_was_trained_on(files):
    told = json.loads(match("train", "popularity", *files, "-m", "other", "--json").stdout)
    assert (told["saved"], told["n_jobs"], told["codes"], told["rejected"]) == (
        "other",
        40,
        None,
        0,
    )


def test_codes_come_from_a_tagger(files, tiny_model):
    told = json.loads(match("train", "leaning", *files, "--tagger", tiny_model, "--json").stdout)
    assert told["codes"].startswith("tagger ")
    assert told["n_numbers"] == 8
    assert not any("codes" in note for note in told["notes"])


def test_a_model_of_codes_must_be_asked_with_the_same_ones(files, tagger):
    assert match("train", "leaning", *files, *tagger).exit_code == 0
    asked = ("predict", "--candidate", "c1", *files)
    assert match(*asked, *tagger).exit_code == 0
    done = match(*asked)
    assert done.exit_code == 1
    assert "learned from the codes of tagger letters and there are none" in done.stderr
    done = match(*asked, "--tagger", "digits")
    assert done.exit_code == 1
    assert "are by tagger digits: train it again, jobtool match train" in done.stderr


def test_codes_come_from_word_vectors_and_other_ones_are_refused(files, tagger):
    words = [f"{word} {place} {place % 2} 1\n" for place, word in enumerate(("work", "care", "it"))]
    Path("glove.txt").write_text("".join([*words, "no vector\n"]))
    Path("other.txt").write_text("".join(reversed(words)))
    Path("ncf.json").write_text('{"n_networks": 1, "hidden": [4], "epochs": 1}')
    vectors = ("--word-vectors", "glove.txt")
    done = match("train", "ncf", *files, *vectors, "--config", "ncf.json", "--json")
    told = json.loads(done.stdout)
    assert (told["codes"][:13], told["n_numbers"]) == ("word vectors ", 3)
    assert "note: 1 lines of glove.txt are no word with its vector" in done.stderr
    asked = ("predict", "--candidate", "c1", *files)
    assert match(*asked, *vectors).exit_code == 0
    assert f"learned from the codes of {told['codes']} and there are none: name them with --w" in (
        match(*asked).stderr
    )
    for others in (("--word-vectors", "other.txt"), tagger):
        assert "train it again, jobtool match train" in match(*asked, *others).stderr
    assert match(*asked, *vectors, *tagger).exit_code == 2


def test_a_model_that_reads_no_codes_may_be_asked_with_any(files, tagger):
    told = json.loads(match("train", "popularity", *files, *tagger, "--json").stdout)
    assert (told["codes"], told["n_numbers"]) == (None, None)
    for codes in ((), tagger, ("--tagger", "digits")):
        done = match("predict", "--candidate", "c1", *files, *codes)
        assert done.exit_code == 0, done.output


def test_a_model_without_codes_takes_no_notice_of_them(files, tagger):
    match("train", "popularity", *files)
    assert match("predict", "--all", "-o", "a.csv", *files).exit_code == 0
    assert match("predict", "--all", "-o", "b.csv", *files, *tagger).exit_code == 0
    lists = [
        [line.split(",")[:4] for line in Path(name).read_text().splitlines()]
        for name in ("a.csv", "b.csv")
    ]
    assert lists[0] == lists[1]


def test_ids_alone_are_enough():
    as_files(made_up())
    assert match("train", "popularity", "--events", "events.jsonl").exit_code == 0
    done = match("predict", "--events", "events.jsonl", "--candidate", "c1", "-k", "2")
    model, score_in_words, *jobs = done.stdout.splitlines()
    assert (done.exit_code, len(jobs)) == (0, 2)
    assert model.startswith("model ")
    assert score_in_words.startswith("A score ")


def test_what_a_model_did_without_is_told(files):
    done = match("train", "sequence-cnn", *files, "--config", tiny_sequences())
    assert done.exit_code == 0, done.output
    assert "note: learned from " in done.stderr
    done = match("train", "popularity", *files, "--work", "work")
    assert "note: popularity begins anew after a stop: nothing of it is kept in work" in done.stderr


def test_a_stopped_training_goes_on(files, monkeypatch):
    from matcher.checkpoint import Checkpoint

    args = ("train", "sequence-cnn", *files, "--config", tiny_sequences(), "--work", "work")
    saved, save = [], Checkpoint.save

    def stop(self, state):
        save(self, state)
        saved.append(state.epoch)
        if len(saved) == 2:
            raise KeyboardInterrupt

    monkeypatch.setattr(Checkpoint, "save", stop)
    done = match(*args)
    assert (done.exit_code, Path("match-model").exists()) == (130, False)
    assert match(*args).exit_code == 0
    assert saved[:3] == [1, 2, 3]
    assert not Path("work/sequence-cnn").exists()


def tiny_sequences() -> Path:
    config = {"filters": [4, 4], "epochs": 4, "patience": 4}
    Path("tiny.json").write_text(json.dumps(config))
    return Path("tiny.json")


def test_a_configuration_from_a_file(files):
    Path("best.json").write_text('{"model": "leaning", "config": {"weight": 0.25}}')
    done = match("train", "popularity", *files, "--config", "best.json")
    assert done.exit_code == 1
    assert "is a configuration of leaning, not of popularity" in done.stderr


def test_kinds_of_models_are_listed():
    lines = match("train", "--list").stdout.splitlines()
    assert [line.split()[0] for line in lines] == list(registry.MODELS)
    assert all(len(line.split()) > 3 and line.endswith(".") for line in lines)
    assert "Likeness of codes, and how many candidates wanted a job." in lines[-1]


def test_kinds_and_the_settings_of_one_are_listed_as_json_too():
    rows = json.loads(match("train", "--list", "--json").stdout)
    assert [row["model"] for row in rows] == list(registry.MODELS)
    assert all(row["about"] for row in rows)
    one = json.loads(match("train", "lr-ftrl", "--list", "--json").stdout)
    assert one["model"] == "lr-ftrl"
    assert one["config"]["ftrl"]["alpha"] > 0


def test_settings_that_are_listed_can_be_trained_with(files, tagger):
    lines = match("train", "leaning", "--list").stdout.splitlines()
    assert [line.split()[:3] for line in lines[1:3]] == [
        ["weight", "=", "1.0"],
        ["steps", "=", "2"],
    ]
    assert "  twist.power = 1.0" in lines[5]
    Path("own.json").write_text(match("train", "leaning", "--list", "--json").stdout)
    done = match("train", "leaning", *files, *tagger, "--config", "own.json", "--json")
    own = json.loads(Path("own.json").read_text())["config"]
    assert json.loads(done.stdout)["config"] == own
    assert match("train", "popularity", "--list").stdout.count("\n") == 1


def test_training_nothing_is_wrong_use(files):
    done = match("train", *files)
    assert (done.exit_code, "name a KIND of model" in done.stderr) == (2, True)


def test_an_unknown_kind_is_one_clear_error(files):
    done = match("train", "magic", *files)
    assert (done.exit_code, done.stderr.count("\n")) == (1, 1)
    assert "unknown model 'magic'; known: popularity" in done.stderr


# ---- evaluate


def test_models_are_compared_on_one_split_with_a_report(files, tagger):
    options = (*files, *tagger, "--max-questions", 20, "-k", 5, "-k", 2)
    Path("half.json").write_text('{"model": "leaning", "config": {"weight": 0.5}}')
    args = ("evaluate", "popularity", "leaning", *options, "--config", "half.json")
    done = match(*args, "--report", "report.html", "--work", "work")
    assert done.exit_code == 0, done.output
    assert "popularity" in done.stdout
    assert done.stdout.endswith("Report: report.html\n")
    assert "leaning" in Path("report.html").read_text("utf-8")
    told = json.loads(match(*args, "--work", "work", "--json").stdout)
    assert told["ks"] == [2, 5]
    assert [model["name"] for model in told["models"]] == ["popularity", "leaning"]


def test_data_with_nothing_to_hold_out_are_one_clear_error(files):
    write("few.jsonl", [{"candidate": "p", "job": "a", "action": "apply"}])
    done = match("evaluate", "popularity", "--events", "few.jsonl")
    assert done.exit_code == 1
    assert "there are too few to hold some out" in done.stderr


# ---- bad input


def test_rejected_rows_are_counted_and_exit_code_3(trained):
    with Path("events.jsonl").open("a") as file:
        file.write('{"candidate": "", "job": "j1", "action": "view"}\nnot json\n')
    done = match("predict", "--candidate", "c1", *trained, "--rejects", "bad.jsonl")
    assert done.exit_code == 3
    assert done.stdout
    assert "2 rejected rows" in done.stderr
    assert len(Path("bad.jsonl").read_text().splitlines()) == 2


def test_events_with_nothing_to_predict_are_one_clear_error(files):
    write("shown.jsonl", [{"candidate": "p", "job": "a", "action": "impression"}])
    done = match("train", "popularity", "--events", "shown.jsonl")
    assert done.exit_code == 1
    assert "no event can be predicted: there must be one of apply" in done.stderr


@pytest.mark.parametrize(
    ("args", "problem"),
    [
        ((), "name a database with --db, or files: --events FILE"),
        (("--jobs", "jobs.jsonl"), "go with --events"),
        (("--db", "jobs.db", "--jobs", "jobs.jsonl"), "go with --events"),
        (("--db", "jobs.db", "--events", "events.jsonl"), "not both"),
    ],
)
def test_options_of_files_and_of_databases_do_not_mix(files, args, problem):
    done = match("train", "popularity", *args)
    assert done.exit_code == 2
    assert problem in " ".join(done.stderr.replace("│", " ").split())


def test_a_wrong_column_option_is_one_clear_error(files):
    done = match("train", "popularity", *files, "--column", "id=nr")
    assert done.exit_code == 1
    assert "write --column KIND.OURS=YOURS, as in jobs.id=nr" in done.stderr


# ---- embed and tune


def test_vectors_go_into_a_file_under_their_version(files, tagger):
    match("train", "leaning", *files, *tagger)
    done = match("embed", "--name", "mean", "-o", "v.parquet", *files, *tagger)
    assert (done.exit_code, done.stdout) == (
        0,
        "60 vectors of version mean for 60 candidates: v.parquet\n",
    )
    rows = pq.read_table("v.parquet").to_pylist()
    assert {(row["version"], row["model"], len(row["numbers"])) for row in rows} == {
        ("mean", "match-model", 8)
    }
    match("embed", "-o", "v.csv", *files, *tagger)
    assert Path("v.csv").read_text().splitlines()[1].startswith('c0,"[')


def test_a_model_without_vectors_says_so(trained):
    done = match("embed", "-o", "v.jsonl", *trained)
    assert (done.exit_code, "popularity makes no vectors" in done.stderr) == (1, True)
    assert "what does: activity-mean, activity-decay" in done.stderr


def test_the_kinds_with_vectors_are_those_that_make_some():
    from matcher.publishing import EMBEDDERS, Embedder

    kinds = [name for name in registry.MODELS if issubclass(registry.find(name), Embedder)]
    assert kinds == [*EMBEDDERS, "leaning"]


def test_a_search_is_kept_beside_and_its_best_can_be_trained(files, tagger):
    options = (*files, *tagger, "--max-questions", 10, "--splits", 2)
    done = match("tune", "leaning", *options, "--trials", 2, "-o", "best.json")
    assert done.exit_code == 0, done.output
    assert "is the best of 2 trials" in done.stdout
    more = json.loads(match("tune", "leaning", *options, "--trials", 3, "--json").stdout)
    assert more["n_finished"] + more["n_pruned"] == 3
    assert Path("match-tuning.db").is_file()
    done = match("train", "leaning", *files, *tagger, "--config", "best.json", "--json")
    assert json.loads(done.stdout)["config"] == json.loads(Path("best.json").read_text())["config"]
