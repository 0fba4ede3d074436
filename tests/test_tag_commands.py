"""`jobtool tags` as a user runs it: what it prints, what it stores, how it ends."""

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

import cli

CSV = """\
tag,description,aliases,words,share
remote,"Work from home, at least in part",home office; telework,work from home; -on site,0.05
night,,,-day; rota,
late,,,'-day,
"""


@pytest.fixture(autouse=True)
def tags_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("JOBTOOL_DATABASE_URL", "jobs.db")
    Path("tags.csv").write_text(CSV)
    return tmp_path / "tags.csv"


def jobtool(*args: str) -> Result:
    return CliRunner().invoke(cli.app, args)


def tags(*args: str) -> str:
    done = jobtool("tags", *args)
    assert done.exit_code == 0, done.output
    return done.stdout


def known() -> dict[str, dict[str, object]]:
    return {tag["name"]: tag for tag in json.loads(tags("list", "--json"))["tags"]}


def test_importing_says_what_is_new_and_again_that_nothing_is():
    assert tags("import", "tags.csv") == (
        "3 tags: 3 new, 0 changed, 0 unchanged\nNew: remote, night, late\n"
    )
    assert tags("import", "tags.csv") == "3 tags: 0 new, 0 changed, 3 unchanged\n"
    told = json.loads(tags("import", "tags.csv", "--json"))
    assert told == {"tags": 3, "new": [], "changed": [], "unchanged": 3}


def test_columns_and_encoding_are_named():
    Path("theirs.csv").write_bytes(
        'preferredLabel;altLabels\nCafé;"Bar\nBistro"\n'.encode("cp1252")
    )
    named = ("--column", "tag=preferredLabel", "--column", "aliases=altLabels")
    tags("import", "theirs.csv", *named, "--encoding", "cp1252")
    assert known()["Café"]["aliases"] == ["Bar", "Bistro"]


@pytest.mark.parametrize("name", ["out.csv", "out.json", "out.yaml"])
def test_what_is_exported_can_be_imported(name: str, monkeypatch: pytest.MonkeyPatch):
    tags("import", "tags.csv")
    assert tags("export", name) == f"Exported 3 tags: {name}\n"
    assert tags("import", name) == "3 tags: 0 new, 0 changed, 3 unchanged\n"
    before = known()
    monkeypatch.setenv("JOBTOOL_DATABASE_URL", "other.db")
    tags("import", name)
    assert known() == before


def test_an_export_that_no_import_takes_says_so():
    Path("jobs.csv").write_text("id,text,tags\n1,Work from home,remote\n2,At home,Remote\n")
    assert jobtool("import", "jobs", "jobs.csv", "--yes").exit_code == 0
    done = jobtool("tags", "export", "out.csv")
    assert done.exit_code == 0
    assert "jobtool tags import will refuse this file: tags 'R" in done.stderr
    assert jobtool("tags", "import", "out.csv").exit_code == 1
    tags("rename", "Remote", "remote-first")
    assert not jobtool("tags", "export", "out.csv").stderr
    assert jobtool("tags", "import", "out.csv").exit_code == 0


def test_without_a_file_the_export_is_csv_that_no_spreadsheet_runs():
    tags("import", "tags.csv")
    told = tags("export")
    assert "night,,,rota; -day,\nlate,,,'-day,\n" in told
    Path("again.csv").write_text(told)
    assert tags("import", "again.csv") == "3 tags: 0 new, 0 changed, 3 unchanged\n"


def test_setting_says_what_is_known_then():
    assert jobtool("db", "upgrade").exit_code == 0
    tags("add", "remote")
    asked = ("--description", "At home", "--share", "5%", "--word", "home", "--word", "sofa")
    told = tags("set", "remote", *asked, "--against", "on site", "--alias", "telework")
    assert told == "remote: also telework; described; 2 words; 1 against; share 5%\n"
    assert tags("set", "telework", "--word", "Home").endswith("share 5% (as before)\n")
    assert tags("set", "remote", "--remove-word", "sofa", "--description", "", "--share", "") == (
        "remote: also telework; 1 word; 1 against\n"
    )


def test_the_list_shows_what_is_known():
    tags("import", "tags.csv")
    lines = tags("list").splitlines()
    assert lines[2].endswith("also home office, telework; described; 1 word; 1 against; share 5%")
    assert known()["night"]["words"] == ["rota"]
    assert known()["night"]["against"] == ["day"]


def test_the_history_tells_who_said_what():
    tags("import", "tags.csv")
    tags("set", "remote", "--remove-word", "work from home", "--share", "10%", "--labeller", "anna")
    lines = [line.split("  ", 1)[1] for line in tags("history", "remote").splitlines()]
    assert lines == [
        "import  description: Work from home, at least in part",
        "import  share: 5%",
        "import  word work from home: for",
        "import  word on site: against",
        "anna  word work from home: for -> taken back",
        "anna  share: 10%",
    ]
    told = json.loads(tags("history", "remote", "--json"))
    assert [line["after"] for line in told["words"]] == ["for", "against", None]
    assert [line["share"] for line in told["facts"]] == [0.05, 0.1]


def test_a_tag_of_which_nothing_was_said_has_no_history():
    assert jobtool("db", "upgrade").exit_code == 0
    tags("add", "remote")
    assert tags("history", "remote") == "Nobody has said what it means yet\n"


@pytest.mark.parametrize(
    ("command", "problem"),
    [
        (("import", "nosuch.csv"), "nosuch.csv: no such file"),
        (("import", "bad.csv"), "bad.csv: line 2: the share of tag 'x' must lie between 0 and 1"),
        (("import", "clash.csv"), "'telework', another name of tag 'x', already stands for tag"),
        (("import", "tags.csv", "--column", "name=x"), "a tags file has no column 'name' of ours"),
        (("export", "out.xlsx"), "out.xlsx: the name must end in .csv, .json, .yaml"),
        (("export", "nosuch/out.csv"), "can't write nosuch/out.csv"),
        (("set", "nosuch", "--word", "x"), "unknown tag 'nosuch'; the tags are: remote"),
        (("set", "night", "--share", "5"), "the share of tag 'night' must lie between 0 and 1"),
        (("set", "night", "--share", "few"), "the share is 'few': write 0.05 or 5%"),
        (("set", "night", "--word", "-x"), "'-x' begins with a minus: leave it out"),
        (
            ("set", "night", "--remove-word", "x"),
            "tag 'night' has no word 'x'; its words are: rota, day",
        ),
        (("set", "night", "--alias", "telework"), "'telework' is already a name of tag 'remote'"),
        (("history", "nosuch"), "unknown tag 'nosuch'"),
    ],
)
def test_what_can_not_be_done_is_one_line_and_changes_nothing(command, problem):
    tags("import", "tags.csv")
    before = known()
    Path("bad.csv").write_text("tag,share\nx,5\n")
    Path("clash.csv").write_text("tag,aliases\nnew,\nx,telework\n")
    done = jobtool("tags", *command)
    assert (done.exit_code, done.stdout) == (1, "")
    assert done.stderr.startswith(f"error: {problem}")
    assert done.stderr.count("\n") == 1
    assert known() == before


def test_setting_is_all_or_nothing():
    tags("import", "tags.csv")
    before = known()
    assert jobtool("tags", "set", "night", "--word", "new", "--alias", "telework").exit_code == 1
    assert known() == before


def test_setting_nothing_is_wrong_use():
    done = jobtool("tags", "set", "remote")
    assert done.exit_code == 2
    assert "--description, --share, --word" in done.stderr
