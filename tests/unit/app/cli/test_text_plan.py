from tifo.app.cli.text_plan import TextPlan, as_data, as_lines
from tifo.documents.changes import Change, FieldChange, Verb

CHANGES = (
    Change(Verb.CREATE, "badges", "fan"),
    Change(Verb.CHANGE, "application", "", (FieldChange("name", "Club", "FC"), FieldChange("tasks[1]", None, "x"))),
    Change(Verb.ARCHIVE, "quests", "derby"),
)


def test_each_change_has_its_line_and_the_last_one_counts_them() -> None:
    assert as_lines(TextPlan(CHANGES, Verb.ARCHIVE)) == [
        "+ badges.fan",
        "~ application",
        '    name: "Club" → "FC"',
        '    tasks[1]: (none) → "x"',
        "- quests.derby",
        "1 to create, 1 to change, 1 to archive.",
    ]
    assert as_lines(TextPlan((), Verb.DELETE)) == ["No changes."]


def test_the_verb_of_removal_is_the_one_of_what_is_planned() -> None:
    gone = (Change(Verb.DELETE, "sources", "web"),)
    assert as_lines(TextPlan(gone, Verb.DELETE)) == ["- sources.web", "0 to create, 0 to change, 1 to delete."]


def test_a_plan_as_data_names_verb_section_key_and_fields() -> None:
    assert as_data(CHANGES[1:]) == [
        {
            "verb": "change",
            "section": "application",
            "key": "",
            "fields": [
                {"path": "name", "old": "Club", "new": "FC"},
                {"path": "tasks[1]", "old": None, "new": "x"},
            ],
        },
        {"verb": "archive", "section": "quests", "key": "derby", "fields": []},
    ]
