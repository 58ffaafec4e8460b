"""Evaluate baskets with `tillcore evaluate` in a process of its own, as scripts and people do."""

import json
import os
import pty
import select
import shlex
import signal
import subprocess
import sys
import sysconfig
import time
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from tests.support.command_line import (
    BASKET,
    CONTEXT,
    EXAMPLES,
    ROOT,
    SECONDS_MAX,
    TILLCORE,
    exact,
    tillcore,
)
from tests.support.json_baskets import JsonGenerator

GOLDEN = ROOT / "tests/golden/example_sale.json"
ONE_GAME = b'{"line_items":[{"id":"asteroids"}]}'


def evaluated(basket: bytes, *options: str) -> Any:
    """Return what the sample context makes of a basket."""
    return exact(tillcore("evaluate", CONTEXT, *options, stdin=basket).stdout)


def fields(answer: Any) -> list[str]:
    """Return the paths of the fields that an error names."""
    return [each["field"] for each in answer["error"]["fields"]]


# --- one basket ------------------------------------------------------------------------------


@pytest.mark.parametrize("options", [(), ("--reference",)])
def test_evaluate_when_sample_sale_then_every_number_of_the_reference(
    options: tuple[str, ...],
) -> None:
    golden = exact(GOLDEN.read_bytes())

    result = tillcore("evaluate", CONTEXT, BASKET, *options)

    assert (0, b"") == (result.returncode, result.stderr)
    assert {**golden["summary"], "payment": golden["payment"]} == exact(result.stdout)


def test_evaluate_when_amounts_are_written_then_digits_of_the_currency() -> None:
    text = tillcore("evaluate", CONTEXT, BASKET).stdout.decode()

    assert '"total": 3810.05' in text
    assert '"base_price": 2872.00' in text
    assert '"rate": 0.25' in text


@pytest.mark.parametrize("source", [(), ("-",)])
def test_evaluate_when_basket_is_on_standard_input_then_same_answer(
    source: tuple[str, ...],
) -> None:
    from_file = tillcore("evaluate", CONTEXT, BASKET)

    from_input = tillcore("evaluate", CONTEXT, *source, stdin=BASKET.read_bytes())

    assert (0, from_file.stdout) == (from_input.returncode, from_input.stdout)


def test_evaluate_when_no_moment_is_given_then_now(tmp_path: Path) -> None:
    context = json.loads(CONTEXT.read_bytes())
    past = {"valid_until": "2001-01-01"}
    present = {"valid_from": "2001-01-01", "valid_until": "2200-01-01"}
    campaign = {
        "type": "percentage_discount-basket",
        "name": "half",
        "display_name": "half",
        "priority": 1,
        "percentage": 0.5,
        "stackable": True,
    }
    context["campaigns"] = [campaign | past | {"id": "a"}, campaign | present | {"id": "b"}]
    path = tmp_path / "context.json"
    path.write_text(json.dumps(context))

    answer = exact(tillcore("evaluate", path, stdin=ONE_GAME).stdout)

    assert 25 == answer["total"]


def test_evaluate_when_basket_is_refused_then_status_1_and_the_fields() -> None:
    basket = b'{"line_items":[{"id":"asteroidz"},{"id":"1048"}]}'

    result = tillcore("evaluate", CONTEXT, stdin=basket)

    assert (1, b"") == (result.returncode, result.stderr)
    answer = exact(result.stdout)
    assert "INVALID_ARGUMENT" == answer["error"]["code"]
    assert ["line_items[0].id", "line_items[1].variant_id"] == fields(answer)


# --- hostile input ---------------------------------------------------------------------------


def line_with(**members: str) -> bytes:
    """Return a basket of one line with members that are already JSON."""
    written = "".join(f', "{name}": {literal}' for name, literal in members.items())
    return f'{{"line_items": [{{"id": "repair"{written}}}]}}'.encode()


PRICE = "line_items[0].retail_price"
HOSTILE = [
    (line_with(retail_price="1e999999999"), PRICE),
    (line_with(retail_price="1" + "0" * 100_000), PRICE),
    (line_with(retail_price="NaN"), PRICE),
    (line_with(retail_price="Infinity"), PRICE),
    (line_with(retail_price="1234567890123"), PRICE),
    (line_with(retail_price="0.1234567"), PRICE),
    (line_with(retail_price='"١٢"'), PRICE),
    (line_with(retail_price='"1_000"'), PRICE),
    (line_with(retail_price="-1"), PRICE),
    (line_with(retail_price="1", quantity="0"), "line_items[0].quantity"),
    (line_with(retail_price="1", quantity="1000001"), "line_items[0].quantity"),
    (line_with(retail_price="true"), PRICE),
    (b'{"line_items": [{"id": "asteroids", "id": "coffee"}]}', "line_items[0].id"),
    (b'{"line_items": [{"id": "asteroids", "quantitty": 2}]}', "line_items[0].quantitty"),
    (b'{"line_items": [{"id": "aster\\u0000oids"}]}', "line_items[0].id"),
    (line_with(retail_price="1_000"), ""),
    (b"[" * 100_000 + b"]" * 100_000, ""),
    (b'{"a":' * 100_000, ""),
    (b'{"line_items": [{"id": "\xff"}]}', ""),
    (b"\xef\xbb\xbf" + ONE_GAME, ""),
    (b"null", ""),
    (b"[]", ""),
    (ONE_GAME + ONE_GAME, ""),
]


@pytest.fixture(scope="module")
def hostile_answers() -> list[Any]:
    """Return the answers to all hostile baskets, which one process reads as lines."""
    baskets = b"\n".join(basket for basket, _ in HOSTILE)
    result = tillcore("evaluate", CONTEXT, "--ndjson", stdin=baskets)
    assert (0, b"") == (result.returncode, result.stderr)
    return [exact(line) for line in result.stdout.splitlines()]


@pytest.mark.parametrize("case", range(len(HOSTILE)), ids=lambda case: repr(HOSTILE[case][0])[:50])
def test_ndjson_when_basket_is_hostile_then_the_field_is_named(
    case: int, hostile_answers: list[Any]
) -> None:
    answer = hostile_answers[case]

    assert "INVALID_ARGUMENT" == answer["error"]["code"]
    assert [HOSTILE[case][1]] == fields(answer)


@pytest.mark.parametrize(
    ("basket", "field"),
    [HOSTILE[0], HOSTILE[2], (b"[" * 100_000, ""), (b"", ""), (b'"\xff"', "")],
    ids=["exponent", "nan", "depth", "empty", "no_utf8"],
)
def test_evaluate_when_basket_is_hostile_then_the_field_is_named(basket: bytes, field: str) -> None:
    result = tillcore("evaluate", CONTEXT, stdin=basket)

    assert (1, b"") == (result.returncode, result.stderr)
    answer = exact(result.stdout)
    assert "INVALID_ARGUMENT" == answer["error"]["code"]
    assert [field] == fields(answer)


def test_evaluate_when_result_is_too_large_then_out_of_range() -> None:
    basket = line_with(retail_price="999999999999", quantity="1000000")

    result = tillcore("evaluate", CONTEXT, stdin=basket)

    assert 1 == result.returncode
    assert "OUT_OF_RANGE" == exact(result.stdout)["error"]["code"]


def test_evaluate_when_basket_is_too_long_then_refused() -> None:
    result = tillcore("evaluate", CONTEXT, stdin=b" " * (17 * 1024 * 1024) + ONE_GAME)

    assert 1 == result.returncode
    assert "was more" in exact(result.stdout)["error"]["message"]


def test_evaluate_when_context_is_bad_then_status_2_and_the_fields(tmp_path: Path) -> None:
    path = tmp_path / "context.json"
    path.write_text('{"market": {"id": "dk", "currency": "DK"}, "products": [{"id": 1}]}')

    result = tillcore("evaluate", path, stdin=ONE_GAME)

    assert (2, b"") == (result.returncode, result.stdout)
    for field in ("market.currency", "market.default_taxes", "products[0].id", "products[0].name"):
        assert f"error: {path}: {field}: expected " in result.stderr.decode()


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        (("nowhere.json",), "nowhere.json: No such file or directory"),
        ((EXAMPLES,), "Is a directory"),
        ((CONTEXT, "nowhere.json"), "nowhere.json: No such file or directory"),
        ((CONTEXT, EXAMPLES), "Is a directory"),
        ((CONTEXT, "--ndjsn"), "--ndjsn"),
        ((CONTEXT, BASKET, BASKET), "basket.json"),
        ((), "CONTEXT"),
    ],
)
def test_evaluate_when_arguments_are_wrong_then_status_2_and_no_output(
    arguments: tuple[str | Path, ...], complaint: str
) -> None:
    result = tillcore("evaluate", *arguments, stdin=ONE_GAME)

    assert (2, b"") == (result.returncode, result.stdout)
    assert result.stderr.startswith(b"error: ")
    assert complaint in result.stderr.decode()
    assert 1 == result.stderr.count(b"\n")


@pytest.mark.parametrize(
    ("redirection", "complaint"),
    [("<&-", "Bad file descriptor"), (">&-", "Bad file descriptor"), (">/dev/full", "No space")],
)
def test_evaluate_when_a_stream_does_not_work_then_status_2(
    redirection: str, complaint: str
) -> None:
    command = shlex.join([*TILLCORE, "evaluate", str(CONTEXT)])

    result = subprocess.run(
        ["bash", "-c", f"{command} <{shlex.quote(str(BASKET))} {redirection}"],
        capture_output=True,
        cwd=ROOT,
        timeout=SECONDS_MAX,
        check=False,
    )

    assert 2 == result.returncode
    assert result.stderr.startswith(b"error: standard input or output: ")
    assert complaint in result.stderr.decode()
    assert 1 == result.stderr.count(b"\n")


# --- a basket a line -------------------------------------------------------------------------


def test_ndjson_when_lines_are_good_and_bad_then_answers_in_order() -> None:
    lines = [
        b'{"line_items":[{"id":"asteroids","quantity":1}]}',
        b'{"line_items":[{"id":"nothing"}]}',
        b"",
        b"  \r",
        b"no json",
        b'{"line_items":[{"id":"asteroids","quantity":2}]}\r',
        b'{"line_items":[{"id":"asteroids","quantity":1e9}]}',
        b'{"line_items":[{"id":"asteroids","quantity":3}]}',
    ]

    result = tillcore("evaluate", CONTEXT, "-", "--ndjson", stdin=b"\n".join(lines))

    assert (0, b"") == (result.returncode, result.stderr)
    answers = [exact(line) for line in result.stdout.splitlines()]
    assert [50, None, None, 100, None, 150] == [answer.get("total") for answer in answers]
    assert ["line_items[0].id"] == fields(answers[1])
    assert ["line_items[0].quantity"] == fields(answers[4])


def test_ndjson_when_input_is_empty_then_nothing() -> None:
    result = tillcore("evaluate", CONTEXT, "--ndjson")

    assert (0, b"", b"") == (result.returncode, result.stdout, result.stderr)


def test_ndjson_when_a_line_is_too_long_then_only_that_one_is_refused() -> None:
    long_line = b'{"a":"' + b"x" * (34 * 1024 * 1024) + b'"}'

    result = tillcore(
        "evaluate", CONTEXT, "--ndjson", stdin=b"\n".join([ONE_GAME, long_line, ONE_GAME])
    )

    answers = [exact(line) for line in result.stdout.splitlines()]
    assert [50, None, 50] == [answer.get("total") for answer in answers]


def test_ndjson_when_a_line_is_sent_then_answered_before_the_next() -> None:
    command = [*TILLCORE, "evaluate", str(CONTEXT), "--ndjson"]
    with subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, cwd=ROOT
    ) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        totals = []
        for quantity in (1, 2, 3):
            line = {"line_items": [{"id": "asteroids", "quantity": quantity}]}
            process.stdin.write(json.dumps(line).encode() + b"\n")
            process.stdin.flush()
            totals.append(exact(process.stdout.readline())["total"])
        process.stdin.close()

        assert 0 == process.wait(SECONDS_MAX)
    assert [50, 100, 150] == totals


@pytest.mark.parametrize("seed", range(4))
def test_ndjson_when_evaluated_by_the_reference_then_equal(seed: int, tmp_path: Path) -> None:
    generator = JsonGenerator(seed)
    context = tmp_path / "context.json"
    context.write_text(json.dumps(generator.context()))
    baskets = "\n".join(json.dumps(generator.basket()) for _ in range(250)).encode()

    compiled = tillcore("evaluate", context, "--ndjson", stdin=baskets)
    reference = tillcore("evaluate", context, "--ndjson", "--reference", stdin=baskets)

    assert (0, b"") == (reference.returncode, reference.stderr)
    assert (0, 250) == (compiled.returncode, compiled.stdout.count(b"\n"))
    assert 150 < sum(b'"error"' not in line for line in compiled.stdout.splitlines())
    assert answers_of(compiled.stdout) == answers_of(reference.stdout)


def answers_of(output: bytes) -> list[Any]:
    """Return the answers of an output; of an error the code and the fields, not its words."""
    answers = [exact(line) for line in output.splitlines()]
    return [
        (answer["error"]["code"], fields(answer)) if "error" in answer else answer
        for answer in answers
    ]


def test_ndjson_when_reader_goes_away_then_quiet() -> None:
    command = [*TILLCORE, "evaluate", str(CONTEXT), "--ndjson"]
    with subprocess.Popen(
        command,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        cwd=ROOT,
    ) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        assert process.stderr is not None
        process.stdin.write(ONE_GAME + b"\n")
        process.stdin.flush()
        process.stdout.readline()
        process.stdout.close()
        process.stdin.write(ONE_GAME + b"\n")
        process.stdin.close()

        assert 141 == process.wait(SECONDS_MAX)
        assert b"" == process.stderr.read()


def test_ndjson_when_interrupted_then_quiet() -> None:
    command = [*TILLCORE, "evaluate", str(CONTEXT), "--ndjson"]
    with subprocess.Popen(
        command,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        cwd=ROOT,
    ) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        assert process.stderr is not None
        process.stdin.write(ONE_GAME + b"\n")
        process.stdin.flush()
        process.stdout.readline()
        process.send_signal(signal.SIGINT)

        assert 130 == process.wait(SECONDS_MAX)
        assert b"" == process.stderr.read()


# --- the progress bar ------------------------------------------------------------------------


def fed_until_shown(source: int, terminal: int) -> bytes:
    """Send baskets until the terminal shows something, and return that."""
    end = time.monotonic() + SECONDS_MAX
    while time.monotonic() < end:
        os.write(source, ONE_GAME + b"\n")
        readable, _, _ = select.select([terminal], [], [], 0.01)
        if readable:
            return os.read(terminal, 65536)
    raise AssertionError("expected a progress bar, was nothing")


def test_ndjson_when_standard_error_is_a_terminal_then_shows_progress(tmp_path: Path) -> None:
    terminal, slave = pty.openpty()
    command = [*TILLCORE, "evaluate", str(CONTEXT), "--ndjson"]
    with (
        (tmp_path / "answers").open("wb") as answers,
        subprocess.Popen(
            command,
            stdin=subprocess.PIPE,
            stdout=answers,
            stderr=slave,
            cwd=ROOT,
            env={**os.environ, "TERM": "xterm"},
        ) as process,
    ):
        os.close(slave)
        assert process.stdin is not None
        shown = fed_until_shown(process.stdin.fileno(), terminal)
        process.stdin.close()
        shown += rest_of(terminal)

        assert 0 == process.wait(SECONDS_MAX)
    assert b"baskets" in shown
    assert {Decimal(50)} == {
        exact(line)["total"] for line in (tmp_path / "answers").read_bytes().splitlines()
    }


def rest_of(terminal: int) -> bytes:
    """Return what a terminal shows until its last writer is gone."""
    parts = []
    try:
        while part := os.read(terminal, 65536):
            parts.append(part)
    except OSError:  # Linux says that the terminal has no other end any more.
        pass
    finally:
        os.close(terminal)
    return b"".join(parts)


# --- the command itself ----------------------------------------------------------------------


def test_help_when_asked_then_names_the_commands() -> None:
    result = tillcore("--help")

    assert 0 == result.returncode
    for command in (b"evaluate", b"serve", b"engine"):
        assert command in result.stdout


def test_version_when_the_installed_command_is_asked_then_answers() -> None:
    script = Path(sysconfig.get_path("scripts")) / "tillcore"

    result = subprocess.run([script, "--version"], capture_output=True, check=True)

    assert result.stdout.startswith(b"0.")


@pytest.mark.parametrize(
    ("arguments", "absent"),
    [
        (["--help"], ["grpc", "numpy", "engine"]),
        (["evaluate", str(CONTEXT), str(BASKET)], ["grpc", "google.protobuf", "engine.reference"]),
        (["evaluate", str(CONTEXT), str(BASKET), "--reference"], ["grpc", "ext.basket"]),
    ],
)
def test_command_when_run_then_loads_only_what_it_needs(
    arguments: list[str], absent: list[str]
) -> None:
    program = (
        "import sys; from server.cli import main; status = main(sys.argv[2:]); "
        "sys.exit(' '.join(set(sys.argv[1].split()) & set(sys.modules)) or status)"
    )

    result = subprocess.run(
        [sys.executable, "-c", program, " ".join(absent), *arguments],
        capture_output=True,
        cwd=ROOT,
        check=False,
    )

    assert (0, b"") == (result.returncode, result.stderr)
