"""Turns batches into fingerprints and new messages, and cuts blocks to what a reader asks for: alike for every log."""

import hashlib
from bisect import bisect_right
from collections import Counter
from collections.abc import Iterable, Sequence
from typing import NamedTuple

from tifo.eventlog.ports import DUPLICATE, RECEIVED, Append, Appended, Block
from tifo.kernel.ids import Position, SourceId
from tifo.tracking.envelope import Refused

FINGERPRINT_BYTES = 16


def fingerprint(source_id: SourceId, message_id: str) -> bytes:
    """Hashes (source, message id) to 128 bits. Two messages share them less often than a disk returns wrong bytes."""
    # The NUL separates the parts, as no source id holds one: two pairs never become the same bytes.
    return hashlib.blake2b(f"{source_id}\0{message_id}".encode(), digest_size=FINGERPRINT_BYTES).digest()


class Sorted(NamedTuple):
    """Holds a batch without its duplicates, sorted by source."""

    fresh: dict[SourceId, list[tuple[bytes, bytes]]]
    """(fingerprint, body), in the order of arrival."""
    appended: list[Appended]
    counts: Counter[tuple[SourceId, str]]
    refused: dict[tuple[SourceId, str], Refused]
    """The newest refused message of each source and code."""


def fingerprints_of(batch: Sequence[Append]) -> list[list[bytes]]:
    return [[fingerprint(append.source_id, message.message_id) for message in append.accepted] for append in batch]


def sort_out(batch: Sequence[Append], fingerprints: Sequence[Sequence[bytes]], known: Iterable[bytes]) -> Sorted:
    """Sorts a batch by source and leaves out duplicates. `known` are its fingerprints that came before this batch."""
    seen = set(known)
    result = Sorted({}, [], Counter(), {})
    for append, prints in zip(batch, fingerprints, strict=True):
        source = append.source_id
        stored = 0
        for message, mark in zip(append.accepted, prints, strict=True):
            # `seen` grows within the batch: a client that sends again at once may have both copies in it.
            if mark not in seen:
                seen.add(mark)
                result.fresh.setdefault(source, []).append((mark, message.body))
                stored += 1
        duplicates = len(append.accepted) - stored
        result.appended.append(Appended(stored, duplicates))
        if stored:
            result.counts[source, RECEIVED] += stored
        if duplicates:
            result.counts[source, DUPLICATE] += duplicates
        for refused in append.refused:
            result.counts[source, refused.code] += refused.events
            result.refused[source, refused.code] = refused
    return result


def cut(block: Block, after: Position, max_events: int) -> Block | None:
    """Returns the part of the block that follows `after`, with at most `max_events`; None where nothing is left."""
    skip = bisect_right(block.positions, after)
    size = min(block.size - skip, max_events)
    if size <= 0:
        return None
    # Most blocks are wanted whole: splitting them into lines would copy every body.
    if skip == 0 and size == block.size:
        return block
    lines = block.bodies.split(b"\n")[skip : skip + size]
    return block._replace(positions=block.positions[skip : skip + size], bodies=b"\n".join(lines) + b"\n")
