"""Makes and changes profiles."""

from msgspec.structs import replace

from tifo.engagement.commands import CreateProfile, UpdateProfile
from tifo.engagement.model import Fan, Profile
from tifo.engagement.turn import Turn
from tifo.engagement.values import check_text
from tifo.kernel.errors import Conflict
from tifo.kernel.ids import ProfileId


def create_profile(turn: Turn, command: CreateProfile) -> Profile:
    if command.custom_id is not None:
        check_text(command.custom_id, "custom_id")
        existing = turn.state.by_custom_id.get(command.custom_id)
        if existing is not None and command.existing_is_fine:
            return turn.fan(existing).profile
        if existing is not None:
            raise Conflict(f"A profile with custom_id {command.custom_id!r} exists already.", field="custom_id")
    profile_id = ProfileId(turn.new_id())
    profile = Profile(
        id=profile_id,
        client_id=turn.game.application.id,
        # LiveLike makes up a nickname where none is given. Nicknames need not be unique.
        nickname=check_text(command.nickname or f"Fan {profile_id[-8:]}", "nickname"),
        created_at=turn.now,
        custom_id=command.custom_id,
        custom_data=command.custom_data,
        attributes=command.attributes,
    )
    turn.put(Fan(profile=profile))
    return profile


def update_profile(turn: Turn, command: UpdateProfile) -> Profile:
    fan = turn.fan(command.profile_id)
    profile = fan.profile
    if command.custom_id is not None and command.custom_id != profile.custom_id:
        check_text(command.custom_id, "custom_id")
        if profile.custom_id is not None:
            raise Conflict(
                f"The profile has custom_id {profile.custom_id!r} already; it is set once.", field="custom_id"
            )
        # The table is unique too, but a conflict there would fail the whole batch.
        if command.custom_id in turn.state.by_custom_id:
            raise Conflict(f"A profile with custom_id {command.custom_id!r} exists already.", field="custom_id")
        profile = replace(profile, custom_id=command.custom_id)
    if command.nickname is not None:
        profile = replace(profile, nickname=check_text(command.nickname, "nickname"))
    if command.custom_data is not None:
        profile = replace(profile, custom_data=command.custom_data)
    if command.attributes is not None:
        profile = replace(profile, attributes=command.attributes)
    turn.put(replace(fan, profile=profile))
    return profile
