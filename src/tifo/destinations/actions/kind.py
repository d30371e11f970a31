"""Declares one vendor's kind as the library describes it: its settings, actions and presets."""

import re
from collections.abc import Collection, Mapping, Sequence
from typing import Any

from tifo.destinations.actions.installing import is_installed
from tifo.destinations.actions.sending import VendorDestination
from tifo.destinations.ports import (
    CALLS,
    Action,
    ActionField,
    ActionMapping,
    Configured,
    Setting,
    Settings,
    SettingType,
    Tools,
)
from tifo.destinations.settings import checked
from tifo.kernel.errors import Rejected, Transient

# Found by reading the library: none of these calls fetch, so neither capture nor masking sees what they send.
_UNSEEN = frozenset(
    (
        "amazon-eventbridge",
        "aws-kinesis",
        "aws-s3",
        "kafka",
        "liveramp-audiences",
        "s3",
        "sftp",
        "the-trade-desk-crm",
    )
)
"""Kinds that do not use HTTP, or not by the library's client: their requests cannot be shown."""
_SECRET = re.compile(r"key|secret|token|password", re.IGNORECASE)
_TYPES = {
    "string": SettingType.TEXT,
    "password": SettingType.SECRET,
    "number": SettingType.NUMBER,
    "boolean": SettingType.BOOLEAN,
}
_TOKEN = Setting(
    "access_token",
    SettingType.SECRET,
    "Access token",
    "Your own OAuth application's token with the vendor.",
    required=True,
)
_RENEWED = (
    Setting("access_token", SettingType.SECRET, "Access token", "Optional: Tifo requests one where it is missing."),
    Setting("refresh_token", SettingType.SECRET, "Refresh token", "Requests a new access token after a 401."),
    Setting("oauth_client_id", SettingType.TEXT, "Client id", "Your own OAuth application's id with the vendor."),
    Setting("oauth_client_secret", SettingType.SECRET, "Client secret", "Your own OAuth application's secret."),
)
_ALLOW = Setting(
    "allow_unseen",
    SettingType.BOOLEAN,
    "Allow unseen requests",
    "This kind does not use HTTP: requests and answers cannot be shown. Addresses are guarded all the same.",
    default=False,
)


class ActionsKind:
    """Implements `ports.Kind` for one of the library's destinations. `entry` describes it, as worker.cjs gives it."""

    handles = CALLS
    local = False

    def __init__(self, entry: Mapping[str, Any], kind_id: str) -> None:
        self.id = kind_id
        self.slug = str(entry["slug"])
        self.name = str(entry["name"])
        self.description = str(entry["description"] or f"Segment's action destination {entry['name']}.")
        # Segment signs in with its own OAuth applications. Here a person brings one: a token, or what renews it.
        is_oauth = str(entry["scheme"]).startswith("oauth")
        self.renews = is_oauth and bool(entry["renews"])
        """The library can request another access token."""
        self.oauth = _RENEWED if self.renews else (_TOKEN,) if is_oauth else ()
        own = [*self.oauth, *([_ALLOW] if self.slug in _UNSEEN else [])]
        self.settings: Sequence[Setting] = (*(_setting(name, each) for name, each in entry["fields"].items()), *own)
        self.actions = tuple(_action(each) for each in entry["actions"])
        presets = [each for each in entry["presets"] if each["trigger"]]
        self.presets = tuple(_preset(number, each) for number, each in enumerate(presets))
        self.automatic = tuple(preset for preset, each in zip(self.presets, presets, strict=True) if each["automatic"])

    def handled(self, settings: Settings) -> Collection[str]:  # noqa: ARG002 (the kind's contract)
        return self.handles

    def check(self, settings: Settings) -> dict[str, Any]:
        allow = {name: value for name, value in settings.items() if name == _ALLOW.name}
        # Before the other settings are checked: whoever does not allow it need not fill them in.
        if self.slug in _UNSEEN and not checked([_ALLOW], allow)[_ALLOW.name]:
            raise Rejected(f"{self.id} needs allow_unseen=true: {_ALLOW.description}", field=_ALLOW.name)
        return checked(self.settings, settings)

    async def open(self, configured: Configured, tools: Tools) -> VendorDestination:
        # Another machine may deliver than the one that installed the library.
        if not is_installed():
            raise Transient("The vendors' library is not on this machine: run tifo destination install-actions.")
        return VendorDestination(
            self.slug,
            configured,
            tools,
            secrets=[each.name for each in self.settings if each.is_secret],
            oauth=[each.name for each in self.oauth],
            not_the_librarys=[_ALLOW.name],
            renews=self.renews,
            batched={action.slug for action in self.actions if action.batch},
        )


def _setting(name: str, field: Mapping[str, Any]) -> Setting:
    choices = [each["value"] if isinstance(each, dict) else each for each in field.get("choices") or ()]
    type_ = _type(field, has_choices=bool(choices))
    return Setting(
        name=name,
        type=type_,
        label=str(field.get("label") or name),
        description=str(field.get("description") or ""),
        required=field.get("required") is True,
        default=field.get("default"),
        choices=tuple(map(str, choices)) if type_ is SettingType.CHOICE else (),
        # The library types many keys and tokens as plain strings.
        secret=bool(_SECRET.search(name)),
    )


def _type(field: Mapping[str, Any], *, has_choices: bool) -> SettingType:
    if field.get("multiple"):
        return SettingType.LIST
    declared = _TYPES.get(str(field.get("type", "string")), SettingType.TEXT)
    return SettingType.CHOICE if has_choices and declared is SettingType.TEXT else declared


def _preset(number: int, each: Mapping[str, Any]) -> ActionMapping:
    return ActionMapping(
        id=f"preset-{number}",
        name=each["name"],
        action=each["action"],
        trigger=each["trigger"].strip(),
        mapping=each["mapping"],
    )


def _action(each: Mapping[str, Any]) -> Action:
    fields = tuple(
        ActionField(
            key=field["key"],
            label=field["label"],
            type=field["type"],
            description=field["description"],
            required=field["required"],
            multiple=field["multiple"],
            default=field["default"],
            choices=field["choices"],
        )
        for field in each["fields"]
    )
    return Action(
        slug=each["slug"],
        name=each["name"],
        description=each["description"],
        trigger=each["trigger"].strip(),
        fields=fields,
        batch=each["batch"],
    )
