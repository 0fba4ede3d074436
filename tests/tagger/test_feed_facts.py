"""What feeds say in fields: under which names, in which shapes, and which tags it suggests."""

import pytest

from tagger.feed_facts import Kind, Suggester, facts_of
from tagger.tag_info import TagInfo

TAGS = [
    TagInfo(name="full-time-job"),
    TagInfo(name="Part Time"),
    TagInfo(name="remote", aliases=("home office",)),
    TagInfo(name="mode:hybrid"),
    TagInfo(name="mode:on-site"),
    TagInfo(name="internship"),
    TagInfo(name="contract"),
    TagInfo(name="senior"),
    TagInfo(name="entry-level"),
    TagInfo(name="hourly-wage"),
    TagInfo(name="pay-stated"),
]


def suggested(fields, **mapped):
    found = Suggester(TAGS, mapped.get("mapped")).suggest(fields)
    return {tag: said.answer for tag, said in found.items()}


@pytest.mark.parametrize(
    ("fields", "tags"),
    [
        ({"employmentType": "FULL_TIME"}, ["full-time-job"]),  # schema.org
        ({"employmentType": ["PART_TIME", "INTERN"]}, ["Part Time", "internship"]),
        ({"employment_type": '["CONTRACTOR"]'}, ["contract"]),  # a list in a cell of CSV
        ({"job_type": "fulltime, parttime"}, ["full-time-job", "Part Time"]),  # JobSpy
        ({"categories": {"commitment": "Full-time", "team": "x"}}, ["full-time-job"]),  # Lever
        ({"metadata": [{"name": "Employment Type", "value": "Part-time"}]}, ["Part Time"]),
        ({"typeOfEmployment": {"id": "p", "label": "Full-time"}}, ["full-time-job"]),
        ({"jobLocationType": "TELECOMMUTE"}, ["remote"]),
        ({"workplaceType": "Home Office"}, ["remote"]),
        ({"workplaceType": "hybrid"}, ["mode:hybrid"]),
        ({"workplace_type": "ON_SITE"}, ["mode:on-site"]),
        ({"is_remote": True}, ["remote"]),
        ({"location": {"remote": True, "city": "Cairo"}}, ["remote"]),
        ({"Seniority Level": "Senior"}, ["senior"]),
        ({"experienceLevel": "ENTRY"}, ["entry-level"]),
        ({"job_level": "mid-senior level"}, []),
        ({"interval": "hourly"}, ["hourly-wage"]),
        (
            {"baseSalary": {"currency": "USD", "value": {"minValue": 20, "unitText": "HOUR"}}},
            ["pay-stated", "hourly-wage"],
        ),
        ({"salary": "$20 to $25"}, ["pay-stated"]),
        ({"salary": "competitive"}, []),
        ({"min_amount": 0, "max_amount": None}, []),
        ({"title": "remote", "company": "Full Time Ltd"}, []),
        ({"employmentType": "OTHER"}, []),
    ],
)
def test_values_suggest_the_tags_that_are_called_like_them(fields, tags):
    assert suggested(fields) == dict.fromkeys(tags, True)


@pytest.mark.parametrize("value", [False, "false", "No", "0", 0])
def test_a_flag_that_is_not_set_speaks_against_the_tag(value):
    assert suggested({"isRemote": value}) == {"remote": False}


def test_a_feed_that_says_both_says_nothing():
    assert suggested({"isRemote": False, "workplaceType": "remote"}) == {}


def test_the_source_of_a_suggestion_is_named():
    found = Suggester(TAGS).suggest({"categories": {"commitment": "Full-time"}})
    assert found["full-time-job"].said == "categories.commitment=Full-time"


def test_the_teams_mapping_counts_before_names_and_for_any_field():
    mapped = {
        ("employmenttype", "fulltime"): "contract",
        ("commitment", "parttime"): None,
        ("team", "students"): "internship",
    }
    assert suggested({"employmentType": "Full time"}, mapped=mapped) == {"contract": True}
    lever = {"categories": {"commitment": "PART TIME", "team": "Students"}}
    assert suggested(lever, mapped=mapped) == {"internship": True}


def test_what_is_nested_too_deep_or_broken_is_left_alone():
    deep: object = "FULL_TIME"
    for _ in range(50):
        deep = {"employmentType": deep}
    assert facts_of({"employmentType": deep, "salary": "{broken"}) == []


def test_kinds_are_told_apart():
    fields = {"isRemote": True, "seniority": "Senior", "salary": 5, "jobType": "Permanent"}
    assert [fact.kind for fact in facts_of(fields)] == [
        Kind.MODE,
        Kind.SENIORITY,
        Kind.PAY,
        Kind.EMPLOYMENT,
    ]
