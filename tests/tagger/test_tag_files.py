"""Files that say what tags mean: read whole or not at all, and written so that they come back."""

import json
from collections.abc import Callable
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from tagger.column_options import read_tags_file
from tagger.errors import DataError
from tagger.tag_files import format_tags, read_tags, write_tags
from tagger.tag_info import TagInfo

Write = Callable[[str, str | bytes], Path]

REMOTE = TagInfo(
    name="remote",
    description="Work from home, at least in part",
    aliases=("home office",),
    words=("work from home",),
    against=("on site",),
    share=0.05,
)
TAGS = (REMOTE, TagInfo(name="night"))


@pytest.fixture
def write(tmp_path: Path) -> Write:
    def write_file(name: str, content: str | bytes) -> Path:
        path = tmp_path / name
        path.write_bytes(content.encode() if isinstance(content, str) else content)
        return path

    return write_file


CSV = (
    "Tag,description,aliases,words,share,uri\n"
    'remote,"Work from home, at least in part",home office,work from home; -on site,5%,x\n'
    "night,,,,,\n"
)
ROWS = [tag.to_json() for tag in TAGS]
OBJECT = {row["tag"]: {k: v for k, v in row.items() if k != "tag"} for row in ROWS}
YAML = """\
remote:
  description: Work from home, at least in part
  aliases: [home office]
  words: work from home; -on site
  share: 5%
night:
"""


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("tags.csv", CSV),
        ("tags.csv", "\ufeff" + CSV.replace("\n", "\r\n")),
        ("tags.tsv", CSV.replace(", ", "~").replace(",", "\t").replace("~", ", ")),
        ("tags.jsonl", "\n".join(map(json.dumps, ROWS))),
        ("tags.json", "\n".join(map(json.dumps, ROWS))),
        ("tags.json", json.dumps(ROWS)),
        ("tags.json", "\ufeff" + json.dumps(OBJECT)),
        ("tags.json", json.dumps([ROWS[0], "night"])),
        ("tags.yaml", YAML),
        ("tags.YML", json.dumps(ROWS)),
    ],
)
def test_every_format_says_the_same(write: Write, name: str, content: str):
    assert read_tags(write(name, content)) == TAGS


def test_parquet_is_read(tmp_path: Path):
    pq.write_table(pa.Table.from_pylist(ROWS), tmp_path / "tags.parquet")
    assert read_tags(tmp_path / "tags.parquet") == TAGS


@pytest.mark.parametrize("kind", ["csv", "json", "yaml"])
@pytest.mark.parametrize(
    "tag",
    [
        REMOTE,
        TagInfo(name="=cmd|' /C calc'!A0", description="@sum", aliases=("+1",), share=1 / 3),
        TagInfo(name="'-x", description="''=y", against=("office hours", "day")),
        TagInfo(name="no", aliases=("yes", "1", "null"), words=("~", "2024-01-01", "a: b #c")),
        TagInfo(name='a "b", c', words=("x;y", "[z]", "<b>a.*(</b>", "é")),
    ],
)
def test_what_is_written_comes_back(tmp_path: Path, kind: str, tag: TagInfo):
    path = tmp_path / f"tags.{kind}"
    write_tags(path, [tag, TagInfo(name="other")])
    assert read_tags(path) == (tag, TagInfo(name="other"))


@pytest.mark.parametrize("cell", ["=1+1", "+1", "-office hours", "@sum", "\uff1d1"])
def test_no_cell_of_a_csv_is_a_formula(cell: str):
    text = format_tags([TagInfo(name="x", description=cell)], "csv")
    assert text.splitlines()[1].startswith(f"x,'{cell}")


def test_an_apostrophe_that_protects_nothing_stays(write: Write):
    (tag,) = read_tags(write("tags.csv", "tag,words\n'tis,'night\n"))
    assert (tag.name, tag.words) == ("'tis", ("'night",))


def test_an_older_file_stays_if_the_new_one_cannot_be_written(tmp_path: Path):
    with pytest.raises(DataError, match="can't write"):
        write_tags(tmp_path / "nosuch" / "tags.csv", TAGS)
    with pytest.raises(DataError, match=r"must end in \.csv, \.json, \.yaml"):
        write_tags(tmp_path / "tags.xlsx", TAGS)
    assert list(tmp_path.iterdir()) == []


def test_an_ontology_is_read_by_its_own_column_names(write: Write):
    text = 'conceptUri,preferredLabel,altLabels\nu,nurse,"staff nurse\nRN\nward nurse"\n'
    columns = {"tag": "preferredLabel", "aliases": "altLabels"}
    (tag,) = read_tags(write("occupations.csv", text), columns=columns)
    assert tag == TagInfo(name="nurse", aliases=("staff nurse", "RN", "ward nurse"))


def test_own_column_names_hold_for_documents_too(write: Write):
    path = write("tags.json", '[{"label": "night"}, {"label": "remote", "alt": ["x"]}]')
    tags = read_tags(path, columns={"tag": "label", "aliases": "alt"})
    assert [tag.aliases for tag in tags] == [(), ("x",)]
    path = write("tags.yaml", "night: {alt: x}\n")
    assert read_tags(path, columns={"tag": "label", "aliases": "alt"})[0].aliases == ("x",)


def test_an_object_of_one_tag_is_told_from_one_of_many(write: Write):
    path = write("tags.json", '{"tag": "night", "words": "rota", "uri": "x"}')
    assert read_tags(path) == (TagInfo(name="night", words=("rota",)),)


@pytest.mark.parametrize(
    ("name", "content", "problem"),
    [
        ("tags.csv", "name\nnight\n", "has no column 'tag'; it has: name"),
        ("tags.csv", "tag\n", "names no tag"),
        ("tags.csv", "", "is empty"),
        ("tags.csv", "tag,words\nnight,a,b\n", "line 2: 3 fields, but the header has 2"),
        ("tags.csv", "tag,share\na,5\nb,x\n", "line 2: .*got 5.*; line 3: the share is 'x'"),
        ("tags.csv", b"tag\n\xff\n", "not UTF-8"),
        ("tags.csv", "tag\nnight\nNight\n", "same name but for capitals"),
        ("tags.jsonl", '{"tag": "a"}\n{"words": "b"}\n', "line 2: a tag must have a name"),
        ("tags.json", '{"night": {}, "day": 1, "night": {}}', "'night' is there twice in one obj"),
        ("tags.json", '[{"tag": "a", "words": "x", "words": "y"}]', "'words' is there twice"),
        ("tags.json", '{"tag": "a"}\n{"tag": "b", "tag": "c"}', "'tag' is there twice"),
        ("tags.yaml", "night:\nday: x\nnight: y\n", "'night' is there twice .* again on line 3"),
        ("tags.yaml", "- tag: a\n  words: x\n  words: y\n", "'words' is there twice"),
        ("tags.json", "[", "is not JSON"),
        ("tags.json", "[" * 100_000, "is not JSON"),
        ("tags.json", "3", "must hold a list of tags"),
        ("tags.json", "[]", "must hold a list of tags"),
        ("tags.json", "[3]", "entry 1 is neither an object nor a name"),
        ("tags.json", b"\xff\xfe", "is not utf-8"),
        ("tags.yaml", "", "must hold a list of tags"),
        ("tags.yaml", "a: b: c", "is not plain YAML"),
        ("tags.yaml", "- tag: no", "the tag is true or false, not a string: put it in quotes"),
        ("tags.yaml", "- tag: 2024-01-01", "the tag is date"),
        ("tags.yaml", "- tag: 2024-99-99", "is not plain YAML: month must be"),
        ("tags.yaml", "[" * 5_000, "is not plain YAML"),
        ("tags.yaml", "a: 1\x1b", "is not plain YAML"),
        ("tags.yaml", "!!python/object/apply:os.system [ls]", "is not plain YAML"),
        ("tags.yaml", "- tag: !!python/name:os.system", "is not plain YAML"),
        ("tags.txt", "night", "the name must end in .csv"),
    ],
)
def test_a_file_that_cannot_be_used_is_one_clear_line(write: Write, name, content, problem):
    with pytest.raises(DataError, match=problem) as error:
        read_tags(write(name, content))
    assert "\n" not in str(error.value)
    assert len(str(error.value)) < 500


@pytest.mark.parametrize("name", ["tags.csv", "tags.json"])
def test_a_missing_file_is_an_error(tmp_path: Path, name: str):
    with pytest.raises(DataError, match=r"(?i)no such file"):
        read_tags(tmp_path / name)


def test_a_yaml_bomb_is_refused_before_it_goes_off(write: Write):
    lines = ["a: &a {k: v}"]
    for before, name in zip("abcdefgh", "bcdefghi", strict=True):
        lines.append(f"{name}: &{name} {{<<: [{', '.join([f'*{before}'] * 9)}]}}")
    with pytest.raises(DataError, match=r"another part of itself \(\*a\)"):
        read_tags(write("tags.yaml", "\n".join(lines)))


def test_a_column_of_ours_that_is_none_is_refused(write: Write):
    with pytest.raises(DataError, match="no column 'label' of ours"):
        read_tags(write("tags.csv", CSV), columns={"label": "x"})


def test_a_named_column_must_be_there(write: Write):
    for name, text in (("tags.csv", "tag\na\n"), ("tags.jsonl", '{"tag": "a"}\n')):
        with pytest.raises(DataError, match="has no column 'alt'"):
            read_tags(write(name, text), columns={"aliases": "alt"})


@pytest.mark.parametrize("name", ["tags.csv", "tags.json"])
def test_advice_on_columns_is_given_as_the_command_wants_it(write: Write, name: str):
    path = write(name, "name\na\n" if name.endswith("csv") else '[{"name": "a"}]')
    with pytest.raises(DataError, match="Name yours with --column tag=NAME"):
        read_tags(path)
    with pytest.raises(DataError, match=r"Name yours with --column tags\.tag=NAME"):
        read_tags_file(path, None, "utf-8")


def test_many_bad_rows_are_counted(write: Write):
    rows = "".join(f"t{n},x\n" for n in range(9))
    with pytest.raises(DataError, match=r"line 2: .*line 6: .*; and 4 more$"):
        read_tags(write("tags.csv", f"tag,share\n{rows}"))


@pytest.mark.parametrize("kind", ["csv", "json", "yaml"])
def test_ten_thousand_tags_are_read_and_more_than_twenty_thousand_refused(tmp_path, kind):
    path = tmp_path / f"tags.{kind}"
    write_tags(path, [TagInfo(name=f"t{n}", words=(f"w{n}",)) for n in range(10_000)])
    assert len(read_tags(path)) == 10_000
    if kind == "csv":
        path.write_text("tag\n" + "".join(f"t{n}\n" for n in range(20_001)))
        with pytest.raises(DataError, match="20,001 tags; at most 20,000"):
            read_tags(path)
