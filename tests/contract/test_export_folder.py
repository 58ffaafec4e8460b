"""Deliver into a folder: what is there afterwards, and where it can never lead."""

import os
import subprocess
import sys
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest

from server.exports.deliveries.file_names import file_name_of
from server.exports.deliveries.folder import FolderDeliverer
from server.exports.outcome import Failure, Outcome
from server.exports.queue import Folder
from tests.support.parcels import BODY, parcel

NAME = file_name_of("", parcel())
CHECKOUT = Path(__file__).parents[2]


async def put(root: Path | None, delivery: Folder | None = None, **changes: Any) -> Outcome:
    """Deliver a parcel, with changes to it."""
    return await FolderDeliverer(delivery or Folder(), root).deliver(parcel(**changes), {})


def files(root: Path) -> dict[str, bytes]:
    """Return all files below a directory by their paths, hidden ones too."""
    paths = (path for path in root.rglob("*") if path.is_file())
    return {str(path.relative_to(root)): path.read_bytes() for path in paths}


@pytest.mark.parametrize("body", [b"", BODY, bytes(range(256)) * 16_384])
@pytest.mark.parametrize("directory", ["", "a", "a/bøger ~/c"])
async def test_folder_when_taken_then_file_is_equal_byte_for_byte(
    tmp_path: Path, directory: str, body: bytes
) -> None:
    outcome = await put(tmp_path, Folder(directory=directory), body=body)

    assert Outcome() == outcome
    assert {str(Path(directory) / NAME): body} == files(tmp_path)


async def test_folder_when_delivered_again_then_file_is_replaced(tmp_path: Path) -> None:
    await put(tmp_path, body=b"before")
    await put(tmp_path)

    assert {NAME: BODY} == files(tmp_path)


async def test_folder_when_an_attempt_left_a_part_then_it_is_overwritten(tmp_path: Path) -> None:
    (tmp_path / f".{NAME}.part").write_bytes(b"x" * 1_000_000)
    await put(tmp_path)

    assert {NAME: BODY} == files(tmp_path)


@pytest.mark.parametrize(
    "directory", ["/etc", "..", "a/../../b", "a/..", ".", "./a", "a\0b", "a\nb", "x" * 256]
)
async def test_folder_when_directory_leads_out_then_refused(tmp_path: Path, directory: str) -> None:
    root = tmp_path / "root"
    root.mkdir()
    outcome = await put(root, Folder(directory=directory))

    assert Failure.CONFIGURATION is outcome.failure
    assert {} == files(tmp_path)


@pytest.mark.parametrize("directory", ["link", "link/below", "a/link"])
async def test_folder_when_a_link_leads_out_then_refused(tmp_path: Path, directory: str) -> None:
    root, outside = tmp_path / "root", tmp_path / "outside"
    (root / "a").mkdir(parents=True)
    outside.mkdir()
    (root / "link").symlink_to(outside)
    (root / "a" / "link").symlink_to(outside)
    outcome = await put(root, Folder(directory=directory))

    assert Failure.CONFIGURATION is outcome.failure
    assert str(tmp_path) not in outcome.error
    assert {} == files(tmp_path)


async def test_folder_when_names_are_links_then_what_they_name_stays(tmp_path: Path) -> None:
    root, outside = tmp_path / "root", tmp_path / "outside"
    root.mkdir()
    outside.write_bytes(b"before")
    (root / NAME).symlink_to(outside)
    taken = await put(root)
    (root / f".{NAME}.part").symlink_to(outside)
    await put(root)

    assert Outcome() == taken
    assert b"before" == outside.read_bytes()
    assert BODY == (root / NAME).read_bytes()


async def test_folder_when_its_root_is_a_link_then_taken(tmp_path: Path) -> None:
    root = tmp_path / "root"
    root.mkdir()
    (tmp_path / "link").symlink_to(root)

    assert Outcome() == await put(tmp_path / "link")


async def test_folder_when_none_is_set_aside_then_says_so() -> None:
    outcome = await put(None)

    assert Failure.CONFIGURATION is outcome.failure
    assert "exports.folder" in outcome.error


@pytest.mark.parametrize("kind", ["absent", "file"])
async def test_folder_when_root_is_no_directory_then_configuration(
    tmp_path: Path, kind: str
) -> None:
    root = tmp_path / "root"
    if kind == "file":
        root.write_bytes(b"")
    outcome = await put(root)

    assert Failure.CONFIGURATION is outcome.failure
    assert str(tmp_path) not in outcome.error


async def test_folder_when_name_is_taken_by_a_directory_then_nothing_is_left(
    tmp_path: Path,
) -> None:
    (tmp_path / NAME).mkdir()
    outcome = await put(tmp_path)

    assert Failure.CONFIGURATION is outcome.failure
    assert {} == files(tmp_path)


def delivered_by_child(root: Path, preparation: str) -> list[str]:
    """Return failure and words of a delivery by a process of its own that was prepared so."""
    program = (
        "import asyncio, os, resource\n"
        "from pathlib import Path\n"
        "from tests.contract.test_export_folder import put\n"
        f"{preparation}\n"
        f"outcome = asyncio.run(put(Path({str(root)!r}), body=bytes(1_000_000)))\n"
        "print(outcome.failure.name, outcome.error, sep='|')\n"
    )
    ran = subprocess.run(
        [sys.executable, "-c", program],
        cwd=CHECKOUT,
        capture_output=True,
        text=True,
        check=True,
        timeout=120,
    )
    return ran.stdout.strip().split("|")


def test_folder_when_disk_takes_no_more_then_it_may_pass_and_nothing_is_left(
    tmp_path: Path,
) -> None:
    limit = 300_000
    failure, words = delivered_by_child(
        tmp_path, f"resource.setrlimit(resource.RLIMIT_FSIZE, ({limit}, {limit}))"
    )

    assert "CONNECTION" == failure
    assert "File too large" in words
    assert {} == files(tmp_path)


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can become somebody else")
def test_folder_when_not_permitted_then_configuration() -> None:
    # Unlike those of pytest, it lies below directories that everybody may enter.
    with TemporaryDirectory() as directory:
        Path(directory).chmod(0o755)
        failure, words = delivered_by_child(Path(directory), "os.setuid(65_534)")

    assert ("CONFIGURATION", "the file cannot be written: Permission denied") == (failure, words)
