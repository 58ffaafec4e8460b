"""Keep secrets out of the lines of the log."""

import pytest

from engine.rpc.log import without_secrets


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ('{"key": "tillcore_AbC123_S3cr3tX"}', '{"key": "tillcore_AbC123_***"}'),
        ("Bearer tillcore_AbC123_S3cr3tX", "Bearer tillcore_AbC123_***"),
        ('"authorization", "Bearer S3cr3tX"', '"authorization", "Bearer ***"'),
        ("postgresql://till:S3cr3tX@db/none", "postgresql://till:***@db/none"),
        ('{"address": "http://127.0.0.1:8080/a@b"}', '{"address": "http://127.0.0.1:8080/a@b"}'),
        ('{"event": "call", "account": "acme"}', '{"event": "call", "account": "acme"}'),
    ],
)
def test_without_secrets_when_a_line_has_one_then_blacked_out(line: str, expected: str) -> None:
    shown = without_secrets(None, "info", line)

    assert expected == shown
