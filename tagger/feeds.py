"""Feeds of job boards and applicant systems, read without a mapping.

Each row of a feed becomes a row of ours: ``id``, ``title``, ``text``, ``posted_at``, and all that
is not part of these under the feed's own names, for `tagger.feed_facts`. A feed is never asked for
tags: what it calls so is kept as a field of another name.

References
----------
https://schema.org/JobPosting, https://developers.greenhouse.io/job-board.html,
https://github.com/lever/postings-api, https://developers.ashbyhq.com/docs/public-job-posting-api,
https://workable.readme.io/reference/jobs, https://github.com/speedyapply/JobSpy,
https://docs.indeed.com/indeed-apply/xml-feed
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from tagger.columns import ABOUT_TAGS, is_null
from tagger.errors import DataError

Cells = Mapping[str, Any]
Convert = Callable[[Cells], dict[str, Any]]


@dataclass(frozen=True, slots=True, kw_only=True)
class _Feed:
    """How the rows of one feed are told and read."""

    signs: tuple[frozenset[str], ...]
    """A row with all fields of one of these sets is of this feed."""
    id: tuple[str, ...]
    """The fields that may hold our value: the first that does; with dots, inside of objects."""
    title: tuple[str, ...]
    posted_at: tuple[str, ...]
    text: tuple[tuple[str, ...], ...]
    """The parts of the text, in their order; of each part the first field that holds it."""

    def convert(self, cells: Cells) -> dict[str, Any]:
        used = {name.partition(".")[0] for names in (self.title, *self.text) for name in names}
        used |= {name for name in (*self.id, *self.posted_at) if "." not in name}
        parts = (_as_text(_first(cells, names)) for names in self.text)
        rest = {
            f"{name} (feed)" if name in (*ABOUT_TAGS, "repost_of") else name: value
            for name, value in cells.items()
            if name not in used
        }
        found = {
            "id": _first(cells, self.id),
            "title": _first(cells, self.title),
            "text": "\n".join(filter(None, parts)) or None,
            "posted_at": _first(cells, self.posted_at),
        }
        return rest | found


def _set(names: str) -> frozenset[str]:
    return frozenset(names.split())


FEEDS: dict[str, _Feed] = {
    "schema.org": _Feed(
        signs=(),  # by its @type
        id=("identifier.value", "identifier", "@id", "url"),
        title=("title", "name"),
        posted_at=("datePosted",),
        text=(("description",), ("responsibilities",), ("qualifications",)),
    ),
    "indeed": _Feed(
        signs=(
            _set("title referencenumber description"),
            _set("title requisitionid description"),
            _set("title jobtype description url company"),
        ),
        id=("referencenumber", "requisitionid", "url"),
        title=("title",),
        posted_at=("date",),
        text=(("description",),),
    ),
    "greenhouse": _Feed(
        signs=(_set("absolute_url title internal_job_id"), _set("absolute_url title content")),
        id=("id",),
        title=("title",),
        posted_at=("first_published", "updated_at"),
        text=(("content",),),
    ),
    "lever": _Feed(
        signs=(_set("hostedUrl text categories"), _set("descriptionPlain text categories")),
        id=("id",),
        title=("text",),
        posted_at=("createdAt",),
        text=(
            ("description", "descriptionPlain"),
            ("lists",),
            ("additional", "additionalPlain"),
        ),
    ),
    "ashby": _Feed(
        signs=(_set("title jobUrl descriptionHtml"), _set("title jobUrl descriptionPlain")),
        id=("id", "jobUrl"),
        title=("title",),
        posted_at=("publishedAt",),
        text=(("descriptionHtml", "descriptionPlain"),),
    ),
    "workable": _Feed(
        signs=(_set("title shortcode application_url"), _set("title shortcode shortlink")),
        id=("shortcode",),
        title=("title",),
        posted_at=("published_on", "created_at"),
        text=(("full_description", "description"), ("requirements",), ("benefits",)),
    ),
    "jobspy": _Feed(
        signs=(_set("site job_url title description date_posted"),),
        id=("id", "job_url"),
        title=("title",),
        posted_at=("date_posted",),
        text=(("description",),),
    ),
}
"""Name -> how it is read."""


def find_feed(cells: Cells, name: str | None = None) -> Convert | None:
    """What makes our rows of a feed's, by the first of them; None if it is of no feed.

    Parameters
    ----------
    name
        Take it for this one, whatever it looks like.

    Raises
    ------
    DataError
        If there is no feed of that name.
    """
    if name is not None:
        if name not in FEEDS:
            raise DataError(f"unknown format {name!r:.40}; known: {', '.join(FEEDS)}")
        return FEEDS[name].convert
    if _is_job_posting(cells.get("@type")):
        return FEEDS["schema.org"].convert
    found = (feed for feed in FEEDS.values() if any(sign <= cells.keys() for sign in feed.signs))
    feed = next(found, None)
    return feed.convert if feed else None


def _is_job_posting(kind: object) -> bool:
    kinds = kind if isinstance(kind, list) else [kind]
    return any(isinstance(one, str) and one.rpartition("/")[2] == "JobPosting" for one in kinds)


def reach(cells: Cells, name: str) -> Any:
    """The value of a field, or of one inside of objects by a name with dots; None if none is there.

    Examples
    --------
    >>> reach({"identifier": {"value": "7"}}, "identifier.value")
    '7'
    """
    value: Any = cells
    for part in [name] if name in cells else name.split("."):
        value = value.get(part) if isinstance(value, Mapping) else None
    return value


def _first(cells: Cells, names: Iterable[str]) -> Any:
    values = (reach(cells, name) for name in names)
    return next(
        (one for one in values if not (is_null(one) or one == "" or isinstance(one, dict))), None
    )


def _as_text(value: Any) -> str:
    """A text, or the texts of a list: strings, or Lever's headings with their contents."""
    if isinstance(value, list):
        return "\n".join(filter(None, map(_as_text, value)))
    if isinstance(value, Mapping):
        return "\n".join(filter(None, map(_as_text, (value.get("text"), value.get("content")))))
    return value if isinstance(value, str) and not is_null(value) else ""
