"""Text to terms: ordinary postings, and text that was made to hurt."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tagger.text import MAX_CHARACTERS, clean, stop_words, term_of, terms, tokenize

LONG = 300_000  # quadratic work at 10 ns a step would take a quarter of an hour
pieces = st.sampled_from(
    "< > & ; ' \" - --> <!-- <p> </p> <li> <script> </script> &amp; &lt; &#8217; &#x27; &nbsp; n't "
    "won't 's 3 10 1,000 $18.50 80k % + to . , ! ? \u2022 \u2019 \u00bd \u00b2 \u0663 "
    "\u1369 \u0301 \x00 \ud800 \ufb01 \uff1c Nurse C++ http:// www.x.org \n \r \t".split(" ")
)
messy = st.lists(pieces | st.text(max_size=5), max_size=20).map("".join)


def found(text: str) -> list[str]:
    """Terms of a text as it came."""
    return [term for term, _ in terms(tokenize(clean(text)))]


# Markup


@pytest.mark.parametrize(
    "html",
    [
        "<p>Night <b class='x'>nurse</b></p>",
        "&lt;p&gt;Night nurse&lt;/p&gt;",
        "&amp;lt;p&amp;gt;Night nurse&amp;lt;/p&amp;gt;",
        "<!-- draft <p>cook</p> --><DIV>Night nurse</DIV >",
        "<style>p {color: red}</style>Night nurse<script>if (a < b) cook()</script>",
        "Night nurse<script>never closed",
        "Night nurse<!-- never closed",
    ],
)
def test_only_what_a_reader_sees_is_kept(html: str) -> None:
    assert clean(html) == "Night nurse"


@pytest.mark.parametrize(
    ("html", "plain"),
    [
        ("You know the <template> tag. Night nurse", "You know the  tag. Night nurse"),
        ("HTML, e.g. &lt;script&gt; and &lt;head&gt;. Remote", "HTML, e.g.  and . Remote"),
        ("<head>title</head>Nurse &lt;noscript&gt; wanted", "Nurse  wanted"),
        ("&lt;style&gt;p {color: red}&lt;/style&gt;Nurse", "Nurse"),
    ],
)
def test_what_follows_an_element_that_is_only_talked_of_is_kept(html: str, plain: str) -> None:
    assert clean(html) == plain


def test_block_tags_are_line_breaks_and_others_are_nothing() -> None:
    assert clean("<ul><li>lif<b>ting</b></li><li>typing</li></ul>").split() == ["lifting", "typing"]
    assert "\n" in clean("<li>lifting</li><li>typing</li>")


def test_what_only_looks_like_markup_stays() -> None:
    assert clean("5 < 6 & 7 > 6, R&D -->") == "5 < 6 & 7 > 6, R&D -->"


# Characters


@pytest.mark.parametrize(
    ("raw", "plain"),
    [
        ("\ufb01nance", "finance"),  # NFKC: a ligature
        ("\uff23\uff21\uff24", "CAD"),  # full width
        ("e\u0301lan", "\u00e9lan"),
        ("\u201cteam\u201d \u2013 R\u2019D", '"team" - R\'D'),
        ("a\u00a0b", "a b"),
        ("soft\u00adware\u200b", "software"),
        ("a\x00b\x07", "ab"),
        ("one \ud83d two", "one ? two"),  # half of an emoji
    ],
)
def test_characters_are_made_plain(raw: str, plain: str) -> None:
    assert clean(raw) == plain


def test_bullets_begin_a_line() -> None:
    assert clean("Duties: \u2022 cook \u25aa clean \uf0b7 shop").count("\n") == 3


@pytest.mark.parametrize(
    ("short", "spelled"),
    [
        ("you won't", "you will not"),
        ("We can\u2019t", "We can not"),
        ("doesn't", "does not"),
        ("we're, they've, you'll, I'm, I'd", "we are, they have, you will, I am, I would"),
    ],
)
def test_contractions_are_spelled_out(short: str, spelled: str) -> None:
    assert clean(short) == spelled


# Tokens and terms


@pytest.mark.parametrize(
    ("text", "term"),
    [
        ("5+", "5+"),
        ("3-5", "3-5"),
        ("3 to 5", "3-5"),
        ("3 \u2013 5", "3-5"),
        ("$18.50", "money:2"),
        ("$ 80k", "money:5"),
        ("\u00a31,000,000", "money:7"),
        ("80k", "number:5"),
        ("2019", "number:4"),
        ("20 %", "number:%"),
        ("three", "3"),
        ("3rd", "3"),
        ("\u0663", "3"),  # Arabic-Indic
        ("1" * 15, "number:15"),
        ("C++", "c++"),
    ],
)
def test_numbers_keep_what_tags_hang_on(text: str, term: str) -> None:
    assert found(text) == [term]


@pytest.mark.parametrize("text", ["$", "\u20ac ", "$$$", "pay in \u00a3 or $"])
def test_a_currency_sign_without_a_number_is_no_money(text: str) -> None:
    assert not [term for term in found(text) if "money" in term]


def test_words_that_decide_are_no_stop_words() -> None:
    assert not stop_words() & {"no", "not", "must", "per", "without", "driver"}
    assert {"the", "and", "of"} <= stop_words()
    assert len(stop_words()) < 150


def test_bigrams_stay_inside_a_sentence_and_pass_over_stop_words() -> None:
    assert found("Lead the team. Lift") == ["lead", "team", "lead team", "lift"]
    assert found("Location\nBerlin")[-1] == "locat berlin"  # a heading and its value


@pytest.mark.parametrize("text", ["Since 2019. Apply", "Take 10, or leave", "$18.50. Apply"])
def test_a_number_leaves_the_sign_behind_it_alone(text: str) -> None:
    assert {".", ","} & set(tokenize(text))


def test_no_bigram_crosses_the_end_of_a_sentence_behind_a_number() -> None:
    assert found("Founded 2019. Apply") == ["found", "number:4", "found number:4", "appli"]


@pytest.mark.parametrize("text", ["10-1000", "555-1234", "5 to 1,000", "2019-2021"])
def test_a_range_is_not_cut_out_of_longer_numbers(text: str) -> None:
    assert not any(re.fullmatch(r"\d+(-| to )\d+", token) for token in tokenize(text))


@pytest.mark.parametrize("break_", ["\n", "\r", "\r\n", "\u2028", "\u2029", "\x85"])
def test_every_kind_of_line_break_is_one(break_: str) -> None:
    assert clean(f"lifting{break_}typing") == "lifting\ntyping"


@pytest.mark.parametrize("space", ["\t", "\x0b", "\x0c", "\u00a0", "\u3000", "\u202f"])
def test_words_stay_apart_whatever_space_is_between(space: str) -> None:
    assert tokenize(clean(f"night{space}nurse")) == ["night", "nurse"]


def test_signs_that_count_without_being_digits_are_no_numbers() -> None:
    assert list(terms(["\u1369", "\u00b2"])) == []


def test_stems_are_those_of_nltk() -> None:
    """NLTK has an older edition of the algorithm: "university" is "univers" there."""
    from nltk.stem.snowball import EnglishStemmer

    words = (
        "nursing nurses organised communities driving driver experienced skills "
        "managing manager bakery relational happily warehouses technician "
        "benefits qualified selling dyeing generously"
    ).split()
    assert [term_of(word) for word in words] == list(map(EnglishStemmer().stem, words))


def test_long_words_are_cut() -> None:
    assert tokenize("x" * 100) == ["x" * 40, "x" * 40, "x" * 20]


@given(messy)
def test_any_text_gives_terms(text: str) -> None:
    assert all(term and term == term.strip() for term in found(text))
    clean(text).encode()  # no lone surrogate is left


@given(messy)
def test_tokens_and_terms_take_text_that_was_not_cleaned(text: str) -> None:
    assert all(term for term, _ in terms(tokenize(text)))


@given(st.text(alphabet=st.characters(categories=["Nd", "Nl", "No"]), max_size=50))
def test_any_digits_are_numbers_or_words(digits: str) -> None:
    assert all(isinstance(term, str) for term in found(digits))


@given(st.text())
def test_tokens_lose_nothing_but_space_and_underscores(text: str) -> None:
    squeezed = re.compile(r"[\s_]+")
    assert squeezed.sub("", "".join(tokenize(text))) == squeezed.sub("", text)


# Linear in the length: what is far away doesn't change what a line becomes, so each part is
# worked on once; and long texts of each crafted kind end at all (pytest-timeout).

lines = st.lists(
    st.text(alphabet=st.characters(exclude_characters="<>&", exclude_categories=["Cs"]))
    | st.sampled_from(["<p>We don't</p>", "Fish &amp; chips", "5 < 6", "\u2022 C++, 3 to 5 years"]),
    min_size=2,
    max_size=6,
)


@given(lines)
def test_each_line_is_cleaned_for_itself(parts: list[str]) -> None:
    def squeezed(text: str) -> str:
        return re.sub(r"\s*\n\s*", "\n", text).strip()

    apart = "\n".join(clean(part) for part in parts)
    assert squeezed(clean("\n".join(parts))) == squeezed(apart)


CRAFTED = {
    "less-than signs": "<",
    "open tags": "<div>",
    "tags that never end": "<a ",
    "comments opened": "<!--",
    "comments closed": "-->",
    "entities": "&lt;",
    "ampersands": "&",
    "entity that never ends": "&a",
    "combining marks": "\u0301",
    "mixed combining marks": "\u0301\u0323",
    "longest expansions": "\ufdfa" + " " * 9,
    "digits": "1",
    "digits and commas": "1,",
    "ranges": "1-",
    "range words": "3 to ",
    "money": "$1",
    "apostrophes": "'",
    "contractions": "n't",
    "letters": "a",
    "addresses": "http://",
    "address begins": "www.",
    "pluses": "c+",
    "spaces": " ",
    "line breaks": "\r",
    "NUL": "\x00",
    "surrogates": "\udcff",
    "emoji": "\U0001f600",
}


@pytest.mark.parametrize("unit", CRAFTED.values(), ids=CRAFTED.keys())
@pytest.mark.timeout(60)
def test_crafted_characters_end(unit: str) -> None:
    text = "Night cook\n" + (unit * LONG)[:LONG]
    assert found(text)[:3] == ["night", "cook", "night cook"]
    assert len(clean(text)) <= 3 * len(text)  # the longest expansions: 27 characters of 10


@pytest.mark.parametrize(
    ("start", "lost"),
    [
        *((start, 0) for start in ("<", "</", "&#", "&#x", "&", "$", "&amp;&#")),
        ("<!--", LONG),  # a comment that was cut off
        ("http://", 2000),  # the longest address
    ],
)
@pytest.mark.parametrize("unit", ["a", "1"])
@pytest.mark.timeout(60)
def test_what_never_closes_ends(start: str, lost: int, unit: str) -> None:
    text = f"Night cook\n{start}{unit * LONG}"
    assert found(text)[:3] == ["night", "cook", "night cook"]
    assert clean(text).count(unit) == LONG - lost


def test_deep_nesting_is_read_like_any_other() -> None:
    assert clean("<div>" * 100_000 + "Nurse" + "</div>" * 100_000) == "Nurse"


def test_of_a_posting_of_10_mb_the_first_million_characters_are_read() -> None:
    line = "<li>Night nurse, 3 to 5 years &amp; more; we don\u2019t ask for $18.50.</li>\n"
    cleaned = clean(line * (10_000_000 // len(line)))
    assert cleaned.startswith("Night nurse, 3 to 5 years & more; we do not ask for $18.50.")
    assert len(cleaned) == MAX_CHARACTERS
    assert cleaned.count("Night nurse") > 10_000


@pytest.mark.parametrize(
    "piece",
    [
        "a ",
        "\ufdfa",
        "\ufdfa ",
        "1 ",
        "-",
        "<p>x",
        "&amp;",
        "\u6f22\u5b57 ",
        "e\u0301 ",
        "\U0001f525 ",
    ],
)
def test_ten_megabytes_of_anything_stay_small(piece: str) -> None:
    """Memory follows the number of characters: so many at most, whatever Unicode makes of them."""
    cleaned = clean(piece * (10_000_000 // len(piece.encode())))
    assert 0 < len(cleaned) <= MAX_CHARACTERS


def test_a_character_that_grows_too_much_stays_as_it_is() -> None:
    assert clean("\ufdfa") == "\ufdfa"
    assert clean("\u33cd and \ufb03") == "KK and ffi"
