"""Commands that make and change profiles."""

from tifo.engagement.commands.base import Command
from tifo.engagement.model import Attributes, Profile
from tifo.kernel.ids import ProfileId


class CreateProfile(Command[Profile], frozen=True, kw_only=True):
    """Makes a profile; refused with 409 if a profile has the custom id.

    With `existing_is_fine` the answer is then that profile.
    """

    nickname: str | None = None
    custom_id: str | None = None
    custom_data: str | None = None
    attributes: Attributes = ()
    # Two first requests of one fan may come at once: the second must find the profile that the first one made.
    existing_is_fine: bool = False


class UpdateProfile(Command[Profile], frozen=True, kw_only=True):
    """Changes a profile; None leaves a field as it is."""

    profile_id: ProfileId
    nickname: str | None = None
    custom_data: str | None = None
    custom_id: str | None = None
    """Can be set once; refused with 409 if a profile has it."""
    # Ours: LiveLike lets it change. Events carry it as userId, so a change would split a fan in the pipeline.
    attributes: Attributes | None = None
    """Replaces all attributes."""
    # Ours: LiveLike does not say whether an update adds to them.
