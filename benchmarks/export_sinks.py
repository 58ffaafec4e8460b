"""Run an endpoint of every kind, apart from what is measured: its processor time does not count.

    python -m benchmarks.export_sinks DIRECTORY

It writes the certificate of its authority below the directory, prints where the endpoints are as a
line of JSON, and ends when its input does.
"""

import asyncio
import sys
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Final

import msgspec

from server.exports.queue import Security
from tests.support.certificates import Authority
from tests.support.ftp_sink import ftp_sink
from tests.support.mail_sink import mail_sink
from tests.support.s3_sink import s3_sink
from tests.support.sftp_sink import sftp_sink
from tests.support.web_hook_sink import web_hook_sink

AUTHORITY_FILE: Final = "authority.pem"


class Endpoints(msgspec.Struct, frozen=True, kw_only=True):
    """Ports on 127.0.0.1, and the key of the SFTP server."""

    web_hook: int
    email: int
    ftp: int
    ftps: int
    sftp: int
    sftp_key: str
    object_storage: int


async def run(directory: Path, *, certificate: Path) -> None:
    """Run all endpoints until the input ends."""
    async with AsyncExitStack() as stack:
        hooks = await stack.enter_async_context(web_hook_sink(keeps_bodies=False))
        mails = await stack.enter_async_context(mail_sink())
        files = [directory / name for name in ("ftp", "ftps", "sftp")]
        for each in files:
            each.mkdir()
        ftp = stack.enter_context(ftp_sink(files[0]))
        ftps = stack.enter_context(
            ftp_sink(files[1], security=Security.STARTTLS, certificate=certificate)
        )
        sftp = await stack.enter_async_context(sftp_sink(files[2]))
        objects = await stack.enter_async_context(s3_sink())
        endpoints = Endpoints(
            web_hook=hooks.port,
            email=mails.port,
            ftp=ftp.port,
            ftps=ftps.port,
            sftp=sftp.port,
            sftp_key=sftp.host_key,
            object_storage=objects.port,
        )
        sys.stdout.write(msgspec.json.encode(endpoints).decode() + "\n")
        sys.stdout.flush()
        await asyncio.to_thread(sys.stdin.read)


def main(arguments: list[str]) -> None:
    """Run as a command."""
    directory = Path(arguments[0])
    authority = Authority()
    certificate = authority.server_file(directory)
    (directory / AUTHORITY_FILE).write_text(authority.root)
    asyncio.run(run(directory, certificate=certificate))


if __name__ == "__main__":
    main(sys.argv[1:])
