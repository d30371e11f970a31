"""Requests with this body create or change a profile."""

import msgspec

from tifo.livelike.inputs.fields import Attributes, Name, Text


class ProfileInput(msgspec.Struct, frozen=True):
    nickname: Name | None = None
    custom_id: Name | None = None
    custom_data: Text | None = None
    # None is "not sent" here: an empty list removes all attributes.
    attributes: Attributes | None = None
