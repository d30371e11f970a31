"""Checks a destination's settings against what its kind declares, and masks the secret ones."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from tifo.destinations.ports import Setting, Settings, SettingType
from tifo.kernel.errors import Rejected

MAX_TEXT = 10_000
"""Limit of one text, in characters."""
MASK = "••••"
_TRUE, _FALSE = ("true", "yes", "1"), ("false", "no", "0")


def checked(declared: Sequence[Setting], given: Settings) -> dict[str, Any]:
    """Returns all settings, with defaults. Texts, which the command line gives, are read as the declared type.

    Raises `Rejected` whose `field` is the setting at fault.
    """
    known = {setting.name: setting for setting in declared}
    for name in given:
        if name not in known:
            raise Rejected(f"There is no setting {name!r:.100}. Known are {', '.join(known)}.", field=name)
    return {name: _value(setting, given.get(name)) for name, setting in known.items()}


def masked(declared: Sequence[Setting], settings: Settings) -> dict[str, Any]:
    # An empty secret stays empty, so that people see that none is set.
    secret = secret_names(declared)
    return {name: MASK if name in secret and value else value for name, value in settings.items()}


def without_masks(declared: Sequence[Setting], given: Settings) -> dict[str, Any]:
    """Leaves out secrets that come back as they were shown: the mask is no value, so the stored secret stays."""
    secret = secret_names(declared)
    return {name: value for name, value in given.items() if not (name in secret and value == MASK)}


def secret_names(declared: Sequence[Setting]) -> list[str]:
    return [setting.name for setting in declared if setting.is_secret]


def _value(setting: Setting, given: Any) -> Any:
    if given is None or given == "":
        if setting.required and setting.default is None:
            raise Rejected(f"{setting.name} is missing: {setting.description}", field=setting.name)
        return setting.default
    try:
        value = _READ[setting.type](given)
    except (TypeError, ValueError) as error:
        # A refusal is shown and logged, so it must not repeat a secret.
        shown = "" if setting.is_secret else f" {given!r:.80},"
        raise Rejected(
            f"{setting.name} is{shown} no {setting.type.value}. Give one: {setting.description}", field=setting.name
        ) from error
    if setting.choices and value not in setting.choices:
        raise Rejected(f"{setting.name} is {value!r:.80}. Known are {', '.join(setting.choices)}.", field=setting.name)
    return value


def _text(given: Any) -> str:
    if not isinstance(given, str) or len(given) > MAX_TEXT:
        raise TypeError
    return given


def _integer(given: Any) -> int:
    # Python counts True as 1; JSON does not.
    if isinstance(given, bool) or (isinstance(given, float) and not given.is_integer()):
        raise TypeError
    return int(given)


def _number(given: Any) -> float:
    if isinstance(given, bool):
        raise TypeError
    return float(given)


def _boolean(given: Any) -> bool:
    text = str(given).lower()
    if text not in _TRUE + _FALSE:
        raise ValueError
    return text in _TRUE


def _map(given: Any) -> dict[str, str]:
    """Reads an object of texts, or lines of `A: b`, which the command line gives."""
    if isinstance(given, str):
        parts = [line.partition(":") for line in given.splitlines() if line.strip()]
        given = {name.strip(): value.strip() for name, _, value in parts}
    if not isinstance(given, Mapping) or not all(isinstance(each, str) for pair in given.items() for each in pair):
        raise TypeError
    return dict(given)


def _list(given: Any) -> list[str]:
    if isinstance(given, str):
        given = [part.strip() for part in given.split(",") if part.strip()]
    if not isinstance(given, Sequence) or not all(isinstance(each, str) for each in given):
        raise TypeError
    return list(given)


_READ: Mapping[SettingType, Callable[[Any], Any]] = {
    SettingType.TEXT: _text,
    SettingType.SECRET: _text,
    SettingType.CHOICE: _text,
    SettingType.INTEGER: _integer,
    SettingType.NUMBER: _number,
    SettingType.BOOLEAN: _boolean,
    SettingType.MAP: _map,
    SettingType.LIST: _list,
}
