import stat
from pathlib import Path

import pytest
from cryptography.fernet import Fernet

from tifo.kernel.errors import Rejected, Transient
from tifo.store.workspace.vault import Vault


def test_a_key_is_made_once_and_for_its_owner_only(tmp_path: Path) -> None:
    file = tmp_path / "data" / "secret.key"
    token = Vault("", file).encrypt("hush")
    assert "hush" not in token
    assert Vault("", file).decrypt(token) == "hush"
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert [each.name for each in file.parent.iterdir()] == ["secret.key"]


def test_a_key_that_is_given_needs_no_file_and_may_be_rotated(tmp_path: Path) -> None:
    old, new = Fernet.generate_key().decode(), Fernet.generate_key().decode()
    file = tmp_path / "secret.key"
    token = Vault(old, file).encrypt("hush")
    assert Vault(f"{new},{old}", file).decrypt(token) == "hush"
    assert not file.exists()
    with pytest.raises(Transient, match="another key"):
        Vault(new, file).decrypt(token)


def test_what_is_no_key_is_refused_without_being_repeated(tmp_path: Path) -> None:
    with pytest.raises(Rejected, match="openssl rand") as refused:
        Vault("not-a-key", tmp_path / "secret.key").encrypt("hush")
    assert "not-a-key" not in refused.value.message
