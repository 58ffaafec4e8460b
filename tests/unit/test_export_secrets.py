"""Seal, open, rotate and carry over the secrets of deliveries."""

import stat
from collections.abc import Mapping
from pathlib import Path

import pytest
from sqlalchemy import select

from engine.errors import InvalidInput
from server.exports.delivery_id import batch_id, delivery_id
from server.exports.destination import is_same_destination, takes_secret
from server.exports.kinds import ExportKind
from server.exports.queue import (
    Delivery,
    Email,
    Folder,
    Ftp,
    ObjectStorage,
    Provider,
    Security,
    Sftp,
    WebHook,
)
from server.exports.secrets import (
    SecretBox,
    SecretsError,
    add_key,
    merged_secrets,
    new_key,
    open_secret_box,
    read_keys,
    reseal_all,
)
from server.storage import Connection, Store
from server.storage.account_tables import account
from server.storage.export_tables import export_queue
from server.storage.exports import QueueName
from tests.support.export_queues import insert_queue

NAME = QueueName("ours", "erp")
SECRETS = {"password": "nightingale", "header:X": "å"}


# --- the box ---------------------------------------------------------------------------------


def test_box_when_sealed_then_opened_and_hidden() -> None:
    box = SecretBox([new_key()])
    token = box.seal(SECRETS, NAME)

    assert SECRETS == box.open(token, NAME)
    assert b"nightingale" not in token
    assert box.seal(SECRETS, NAME) != token


def test_box_when_there_are_no_secrets_then_no_token_and_none() -> None:
    box = SecretBox([new_key()])

    assert (None, {}) == (box.seal_if_any({}, NAME), box.open(None, NAME))


@pytest.mark.parametrize("other", [QueueName("theirs", "erp"), QueueName("ours", "crm")])
def test_box_when_token_is_of_another_queue_then_refused(other: QueueName) -> None:
    box = SecretBox([new_key()])
    token = box.seal(SECRETS, other)

    with pytest.raises(SecretsError, match="those of another"):
        box.open(token, NAME)


def test_box_when_no_key_fits_or_token_is_changed_then_refused_without_the_secrets() -> None:
    token = SecretBox([new_key()]).seal(SECRETS, NAME)
    box = SecretBox([new_key()])

    for bad in (token, token[:-4] + b"AAA=", b"", b"\xff"):
        with pytest.raises(SecretsError, match="another key") as refused:
            box.open(bad, NAME)
        assert "nightingale" not in str(refused.value)


def test_box_when_a_key_is_added_then_first_seals_and_both_open() -> None:
    old, new = new_key(), new_key()
    both, only_new = SecretBox([new, old]), SecretBox([new])

    assert SECRETS == both.open(SecretBox([old]).seal(SECRETS, NAME), NAME)
    assert SECRETS == only_new.open(both.seal(SECRETS, NAME), NAME)


@pytest.mark.parametrize("keys", [[], ["short"], [new_key(), "not a key at all"]])
def test_box_when_a_key_is_bad_then_refused_without_repeating_it(keys: list[str]) -> None:
    with pytest.raises(InvalidInput) as refused:
        SecretBox(keys)

    (problem,) = refused.value.problems
    assert problem.field == ("exports.keys" if not keys else f"exports.keys[{len(keys) - 1}]")
    assert all(key not in str(refused.value) for key in keys)


# --- the file of keys ------------------------------------------------------------------------


def test_key_file_when_not_there_then_made_for_the_owner_alone_and_found_again(
    tmp_path: Path,
) -> None:
    path = tmp_path / "data" / "export-key"
    token = open_secret_box((), path).seal(SECRETS, NAME)

    assert SECRETS == open_secret_box((), path).open(token, NAME)
    assert 0o600 == stat.S_IMODE(path.stat().st_mode)
    assert [path] == list(path.parent.iterdir())


def test_key_file_when_keys_are_set_then_not_made(tmp_path: Path) -> None:
    path = tmp_path / "export-key"
    open_secret_box((new_key(),), path)

    assert not path.exists()


def test_key_file_when_a_key_is_added_then_it_comes_first_and_old_tokens_open(
    tmp_path: Path,
) -> None:
    path = tmp_path / "export-key"
    token = open_secret_box((), path).seal(SECRETS, NAME)
    (before,) = read_keys(path)
    box = add_key(path)

    after = read_keys(path)
    assert (before, 2) == (after[1], len(after))
    assert SECRETS == box.open(token, NAME)
    assert SECRETS == SecretBox(after[:1]).open(box.seal(SECRETS, NAME), NAME)
    assert 0o600 == stat.S_IMODE(path.stat().st_mode)


async def test_reseal_when_all_are_sealed_anew_then_the_old_key_is_not_needed(
    store: Store,
) -> None:
    old, new = new_key(), new_key()
    before = SecretBox([old])

    def fill(connection: Connection) -> None:
        row = {"name": "A", "revision": 1, "created_ns": 1, "updated_ns": 1}
        connection.execute(account.insert().values(account_id="ours", **row))
        for queue_id in ("erp", "crm"):
            token = before.seal(SECRETS, QueueName("ours", queue_id))
            insert_queue(
                connection,
                account_id="ours",
                queue_id=queue_id,
                kind=ExportKind.SALE,
                secrets=token,
            )
        insert_queue(connection, account_id="ours", queue_id="bare", kind=ExportKind.SALE)

    await store.write(fill)
    count = await store.write(lambda connection: reseal_all(connection, SecretBox([new, old])))

    statement = select(export_queue.c.queue_id, export_queue.c.secrets)
    rows = await store.read(lambda connection: connection.execute(statement).all())
    after = SecretBox([new])
    opened = {queue_id: after.open(token, QueueName("ours", queue_id)) for queue_id, token in rows}
    assert (2, {"erp": SECRETS, "crm": SECRETS, "bare": {}}) == (count, opened)
    with pytest.raises(SecretsError):
        await store.write(lambda connection: reseal_all(connection, before))


# --- updates ---------------------------------------------------------------------------------

HOOK = WebHook(url="https://a.example/x")
MAIL = Email(recipients=("a@b.example",), host="mail.example", username="u")
FTP = Ftp(host="ftp.example", username="u")
SFTP = Sftp(host="sftp.example", username="u", host_key="ssh-ed25519 AAAA")
S3 = ObjectStorage(provider=Provider.S3, bucket="b", region="eu-north-1")

KEPT: list[tuple[Delivery, Delivery]] = [
    (HOOK, WebHook(url="https://a.example/x", method="PUT", headers={"A": "b"})),
    (MAIL, Email(recipients=("c@d.example",), host="mail.example", username="v", subject="S")),
    (FTP, Ftp(host="ftp.example", username="v", directory="d", file_name="f")),
    (
        SFTP,
        Sftp(host="sftp.example", username="v", host_key="ssh-ed25519 AAAA", directory="d"),
    ),
    (S3, ObjectStorage(provider=Provider.S3, bucket="b", region="eu-north-1", prefix="p")),
    (Folder(), Folder(directory="d")),
]

DROPPED: list[tuple[Delivery, Delivery]] = [
    (HOOK, WebHook(url="https://a.example/y")),
    (HOOK, WebHook(url="http://a.example/x")),
    (HOOK, WebHook(url="https://b.example/x")),
    (HOOK, Folder()),
    (MAIL, Email(recipients=("a@b.example",), host="other.example", username="u")),
    (MAIL, Email(recipients=("a@b.example",), host="mail.example", port=26, username="u")),
    (
        MAIL,
        Email(
            recipients=("a@b.example",), host="mail.example", username="u", security=Security.NONE
        ),
    ),
    (FTP, Ftp(host="other.example", username="u")),
    (FTP, Ftp(host="ftp.example", username="u", port=22)),
    (FTP, Ftp(host="ftp.example", username="u", security=Security.NONE)),
    (FTP, Sftp(host="ftp.example", username="u", host_key="ssh-ed25519 AAAA")),
    (SFTP, Sftp(host="other.example", username="u", host_key="ssh-ed25519 AAAA")),
    (SFTP, Sftp(host="sftp.example", port=23, username="u", host_key="ssh-ed25519 AAAA")),
    (SFTP, Sftp(host="sftp.example", username="u", host_key="ssh-ed25519 BBBB")),
    (S3, ObjectStorage(provider=Provider.GOOGLE, bucket="b", region="eu-north-1")),
    (S3, ObjectStorage(provider=Provider.S3, bucket="c", region="eu-north-1")),
    (S3, ObjectStorage(provider=Provider.S3, bucket="b", region="eu-west-1")),
    (
        S3,
        ObjectStorage(
            provider=Provider.S3, bucket="b", region="eu-north-1", endpoint="https://s3.example"
        ),
    ),
]


@pytest.mark.parametrize(("before", "after"), KEPT)
def test_destination_when_it_stays_then_secrets_are_kept(before: Delivery, after: Delivery) -> None:
    assert is_same_destination(before, after, known=SECRETS, sent={})


@pytest.mark.parametrize(("before", "after"), DROPPED)
def test_destination_when_it_is_another_then_secrets_are_dropped(
    before: Delivery, after: Delivery
) -> None:
    assert not is_same_destination(before, after, known=SECRETS, sent={})


@pytest.mark.parametrize(
    ("known", "sent", "expected"),
    [
        ({"url": "https://t.example"}, {}, True),
        ({"url": "https://t.example"}, {"url": "https://t.example"}, True),
        ({"url": "https://t.example"}, {"url": "https://evil.example"}, False),
        ({"url": "https://t.example"}, {"url": ""}, False),
        ({}, {"url": "https://evil.example"}, False),
        ({}, {"url": ""}, True),
    ],
)
def test_destination_when_the_secret_url_is_sent_then_it_counts(
    known: Mapping[str, str], sent: Mapping[str, str], *, expected: bool
) -> None:
    assert expected is is_same_destination(HOOK, HOOK, known=known, sent=sent)


def test_merged_secrets_when_sent_kept_and_emptied_then_as_the_rule_says() -> None:
    known, sent = {"a": "1", "b": "2", "c": "3"}, {"b": "4", "c": "", "d": ""}

    assert {"a": "1", "b": "4"} == merged_secrets(known, sent, is_kept=True)
    assert {"b": "4"} == merged_secrets(known, sent, is_kept=False)


@pytest.mark.parametrize(
    ("delivery", "name", "expected"),
    [
        (HOOK, "url", True),
        (HOOK, "header:X", True),
        (HOOK, "header:", False),
        (HOOK, "password", False),
        (MAIL, "password", True),
        (FTP, "header:X", False),
        (SFTP, "passphrase", True),
        (S3, "access_key_id", True),
        (S3, "account_key", False),
        (Folder(), "password", False),
    ],
)
def test_takes_secret_when_named_then_only_those_of_the_delivery(
    delivery: Delivery, name: str, *, expected: bool
) -> None:
    assert expected is takes_secret(delivery, name)


# --- delivery ids ----------------------------------------------------------------------------


def test_delivery_ids_when_anything_differs_then_another_and_otherwise_the_same() -> None:
    ids = [
        delivery_id("a", "b", 1),
        delivery_id("a", "b", 2),
        delivery_id("ab", "", 1),
        delivery_id("", "ab", 1),
        batch_id("a", "b", 1, 1),
        batch_id("a", "b", 1, 2),
        batch_id("a", "b", 11, 2),
    ]

    assert len(ids) == len(set(ids))
    assert ids[0] == delivery_id("a", "b", 1)
    assert all(len(each) == 36 and each.startswith("msg_") for each in ids)
