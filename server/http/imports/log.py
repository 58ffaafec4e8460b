"""Log one request of an integration: its coming, what became of its items, and its end."""

from functools import partial
from typing import Final

from sqlalchemy import Connection

from engine.errors import TillcoreError
from server.http.imports.report import Tally, refused
from server.http.imports.work import Work
from server.http.tools import HttpTools
from server.storage import import_logs
from server.storage.import_logs import Access, Item

_NOT_BEGUN: Final = 0


class Log:
    """The log of one request.

    Attributes:
        import_number: Its number, 0 before it is logged.
        tally: What became of its items.
    """

    def __init__(self, tools: HttpTools, access: Access) -> None:
        """Log nothing yet.

        Args:
            tools: What the doors share with the rest of the server.
            access: The request.
        """
        self.import_number = _NOT_BEGUN
        self.tally = Tally()
        self._tools = tools
        self._access = access

    async def began(self) -> None:
        """Log the request, whose items are stored from here on.

        Raises:
            StoreUnavailable: The database does not answer.
        """
        beginning = partial(import_logs.begin, access=self._access)
        self.import_number = await self._tools.store.write(beginning)

    async def stored(self, work: Work) -> None:
        """Store some items and log what became of them, in one transaction.

        Raises:
            TillcoreError: What the work raises; nothing of it is stored.
        """

        def storing(connection: Connection) -> list[Item]:
            items = list(work(connection))
            import_logs.record_items(
                connection,
                self._access,
                self.import_number,
                items,
                failures_max=self.tally.failures_left,
                at_ns=self._tools.clock(),
            )
            return items

        self.tally.add(await self._tools.store.write(storing))

    async def done(self) -> None:
        """Log that each item was stored or refused.

        Raises:
            StoreUnavailable: The database does not answer.
        """
        ending = partial(
            import_logs.finish,
            account_id=self._access.account_id,
            import_number=self.import_number,
            status=import_logs.DONE,
            now_ns=self._tools.clock(),
        )
        await self._tools.store.write(ending)

    async def ended(self, reason: TillcoreError | str) -> None:
        """Log that the request was refused or ended half-way; without a database nothing is said.

        Args:
            reason: Why.
        """
        if isinstance(reason, TillcoreError):
            failure = refused("", reason)
        else:
            failure = Item("", import_logs.REFUSED_ITEM, reason)

        def ending(connection: Connection) -> None:
            number = self.import_number or import_logs.begin(connection, self._access)
            is_whole = not self.tally.count
            import_logs.record_failure(
                connection, self._access, number, failure, at_ns=self._tools.clock()
            )
            import_logs.finish(
                connection,
                self._access.account_id,
                number,
                status=import_logs.REFUSED if is_whole else import_logs.BROKEN,
                message=failure.message,
                now_ns=self._tools.clock(),
            )

        try:
            await self._tools.store.write(ending)
        except TillcoreError as error:
            self._tools.log.warning("import_not_logged", trouble=error.message)
