"""Make a transform ready to sign links, which a child process does without any other secret."""

from server.exports.order_hook import OrderHook, with_links
from server.exports.queue import Transform
from server.links import Links


def linked(transform: Transform, *, account_id: str, links: Links | None) -> Transform:
    """Return the transform of a job; where no links can be signed it has none.

    Args:
        transform: As it is set up.
        account_id: Whose elements are transformed.
        links: Signs the links of the installation.
    """
    if not isinstance(transform, OrderHook):
        return transform
    if links is None:
        return with_links(transform, account_id=account_id, link_key=b"")
    return with_links(transform, account_id=account_id, link_key=links.key(account_id))
