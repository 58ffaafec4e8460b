"""The file of the key that signs the journals."""

import stat
from pathlib import Path

import pytest

from engine.journal.keys import BadKeyError
from server.journal_key import open_journal_key

HASH = bytes(32)


def test_key_when_the_file_is_not_there_then_made_for_its_owner_alone(tmp_path: Path) -> None:
    path = tmp_path / "keys" / "journal.pem"

    made = open_journal_key(path)

    assert 0o600 == stat.S_IMODE(path.stat().st_mode)
    assert [path] == list(path.parent.iterdir())
    assert made.public_der == open_journal_key(path).public_der


def test_key_when_signing_as_any_version_then_the_same_key_signs(tmp_path: Path) -> None:
    key = open_journal_key(tmp_path / "journal.pem")

    signers = [key.signer(version) for version in (1, 2, 7)]

    assert [1, 2, 7] == [signer.key_version for signer in signers]
    assert all(signers[0].public_key.is_signed(HASH, signer.sign(HASH)) for signer in signers)


def test_key_when_encrypted_then_only_its_password_opens_it(tmp_path: Path) -> None:
    path = tmp_path / "journal.pem"
    made = open_journal_key(path, password=b"correct horse")

    assert b"ENCRYPTED" in path.read_bytes()
    assert made.public_der == open_journal_key(path, password=b"correct horse").public_der
    for wrong in (None, b"battery staple"):
        with pytest.raises(BadKeyError):
            open_journal_key(path, password=wrong)


def test_key_when_the_file_holds_something_else_then_refused(tmp_path: Path) -> None:
    path = tmp_path / "journal.pem"
    path.write_text("no key")

    with pytest.raises(BadKeyError, match="expected"):
        open_journal_key(path)
