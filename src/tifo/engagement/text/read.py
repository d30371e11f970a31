"""Reads a game's document from text, and looks up the keys that it refers to."""

from collections.abc import Collection, Iterable, Mapping

from tifo.documents.read import Reading, bad_file, nearest, read
from tifo.documents.tree import TextProblem
from tifo.engagement.text.document import SECTIONS, Document


def load(text: str, file: str, known: Mapping[str, Collection[str]]) -> Document:
    """Reads the document. It may refer to the keys in `known`, by section, without naming them itself.

    Raises `Rejected` with all problems, each with file, line, path, value and remedy.
    """
    reading = read(Document, text)
    problems = [*reading.problems, *_unknown(reading, known)]
    if problems or reading.document is None:
        raise bad_file(file, problems)
    return reading.document


def _unknown(reading: Reading[Document], known: Mapping[str, Collection[str]]) -> Iterable[TextProblem]:
    for section, key, path, line in reading.references:
        all_known = {*known.get(section, ()), *reading.named.get(section, ())}
        if key not in all_known:
            kind = "source" if section == "sources" else SECTIONS[section]
            remedy = nearest(key, all_known) or _remedy(section)
            yield TextProblem(path, line, f"There is no {kind} {key!r:.100}. {remedy}")


def _remedy(section: str) -> str:
    if section == "sources":
        return "Make it first, by tifo source create or tifo workspace apply, or name another."
    return f"Add it under {section}, or name another."
