"""Make the links that sign an owner in once."""

import sys
from functools import partial
from typing import Final

from server.http.back_office.visitors import PATH, new_token, sha256
from server.storage import Store
from server.storage import sessions as session_rows

_ACCOUNTS_MAX: Final = 10
"""For how many accounts links are printed at a start."""


async def new_link(store: Store, *, account_id: str, now_ns: int) -> str:
    """Return the path of a link that signs the owner of an account in, once within 24 hours.

    The link before it, if there is one, opens nothing any more.

    Raises:
        NotFound: There is no such account.
        StoreUnavailable: It could not be stored.
    """
    token = new_token()
    inserting = partial(
        session_rows.insert_link, account_id=account_id, link_sha256=sha256(token), now_ns=now_ns
    )
    await store.write(inserting)
    return f"{PATH}/link?token={token}"


async def print_first_links(store: Store, *, base_url: str, now_ns: int) -> None:
    """Print a link for every account that nobody is signed in to, for whoever started the server.

    They go to the terminal and never into the log.

    Args:
        store: Has the accounts.
        base_url: Where the back office is, such as http://127.0.0.1:8080.
        now_ns: The present moment, in nanoseconds since 1970-01-01 UTC.

    Raises:
        StoreUnavailable: They could not be stored.
    """
    asking = partial(session_rows.accounts_without_session, now_ns=now_ns, count=_ACCOUNTS_MAX)
    for account_id in await store.read(asking):
        path = await new_link(store, account_id=account_id, now_ns=now_ns)
        sys.stdout.write(f"account {account_id}, sign in once: {base_url}{path}\n")
    sys.stdout.flush()
