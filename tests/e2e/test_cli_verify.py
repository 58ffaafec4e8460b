"""Verify exports of journals with `tillcore verify` in a process of its own."""

from base64 import b64encode
from pathlib import Path

import pytest

from tests.support.command_line import ROOT, tillcore
from tests.support.journals import ed25519_signer, journal, p256_signer

GOLDEN = ROOT / "tests/golden/journal"
JOURNAL = GOLDEN / "version_1.ndjson"
KEY = GOLDEN / "version_1.pem"
HEAD = "7a8760d8381310bb8f10045ec96594629f1ed5a387e720bbb32089a50e154911"


@pytest.mark.parametrize("options", [(), ("--expect-head", HEAD), ("--processes", "2")])
def test_verify_when_journal_is_sound_then_status_0(options: tuple[str, ...]) -> None:
    result = tillcore("verify", JOURNAL, "--key", KEY, *options)

    assert (0, b"") == (result.returncode, result.stderr)
    assert b"entries  58 (1 to 58)" in result.stdout
    assert HEAD.encode() in result.stdout
    assert ("--expect-head" not in options) == (b"missing at the end" in result.stdout)


def test_verify_when_an_entry_was_changed_then_status_1_and_its_number(tmp_path: Path) -> None:
    lines = JOURNAL.read_bytes().splitlines(keepends=True)
    lines[20] = lines[20].replace(b'"entry":"AAAA', b'"entry":"AAAB')
    changed = tmp_path / "changed.ndjson"
    changed.write_bytes(b"".join(lines))

    for options in ((), ("--processes", "1")):
        result = tillcore("verify", changed, "--key", KEY, *options)

        assert (1, b"") == (result.returncode, result.stderr)
        assert b"broken at line 21, entry 20: " in result.stdout


def test_verify_when_the_end_is_missing_then_status_1_with_the_head(tmp_path: Path) -> None:
    cut = tmp_path / "cut.ndjson"
    cut.write_bytes(b"".join(JOURNAL.read_bytes().splitlines(keepends=True)[:-1]))

    assert 0 == tillcore("verify", cut, "--key", KEY).returncode
    result = tillcore("verify", cut, "--key", KEY, "--expect-head", HEAD)

    assert 1 == result.returncode
    assert b"entries are missing" in result.stdout


def test_verify_when_signatures_are_checked_elsewhere_then_the_first_bad_one(
    tmp_path: Path,
) -> None:
    signer = ed25519_signer("a")
    made = journal(600, signer)
    lines = made.lines()
    other = journal(600, p256_signer("a")).entries[399].signature
    signed = made.entries[399].signature
    assert len(signed) == len(other)
    lines[400] = lines[400].replace(b64encode(signed), b64encode(other))
    path, key = tmp_path / "journal.ndjson", tmp_path / "key.pem"
    path.write_bytes(b"".join(lines))
    key.write_bytes(signer.public_key.pem())

    result = tillcore("verify", path, "--key", key, "--processes", "2")

    assert (1, True) == (result.returncode, b"line 401, entry 400" in result.stdout)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ((JOURNAL,), "--key"),
        ((JOURNAL, "--key", JOURNAL), "version_1.ndjson: expected a key"),
        ((JOURNAL, "--key", ROOT / "absent.pem"), "absent.pem"),
        ((ROOT / "absent.ndjson", "--key", KEY), "absent.ndjson"),
        ((KEY, "--key", KEY), "expected the header of a tillcore-journal"),
        ((JOURNAL, "--key", KEY, "--expect-head", "00"), "expected 64 hexadecimal digits"),
        ((JOURNAL, "--key", KEY, "--processes", "-1"), "expected 0 or more processes"),
    ],
)
def test_verify_when_nothing_can_be_verified_then_status_2(
    arguments: tuple[str | Path, ...], message: str
) -> None:
    result = tillcore("verify", *arguments)

    assert (2, b"") == (result.returncode, result.stdout)
    assert message in result.stderr.decode()
