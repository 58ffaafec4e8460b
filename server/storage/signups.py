"""Keep newsletter signups."""

from sqlalchemy import Connection

from engine.errors import AlreadyExists
from engine.newsletter import NewsletterSignup, signup_json
from engine.strict_json import shown_text
from server.storage.basket_tables import newsletter_signup
from server.storage.exports import ExportKind, place
from server.storage.resources import find_row


def sign_up(
    connection: Connection,
    signup: NewsletterSignup,
    *,
    account_id: str,
    signup_id: str,
    content_hash: bytes,
    shop_id: str,
    now_ns: int,
) -> bool:
    """Store and export a signup; return whether it was there before.

    Args:
        connection: The transaction.
        signup: Who signs up.
        account_id: Whose newsletter it is.
        signup_id: Made by the till.
        content_hash: SHA-256 of the request.
        shop_id: Where it was made.
        now_ns: When, in nanoseconds since 1970-01-01 UTC.

    Raises:
        AlreadyExists: The id was used for another content.
    """
    row = find_row(connection, newsletter_signup, account_id=account_id, row_id=signup_id)
    if row is not None:
        if row["content_hash"] == content_hash:
            return True
        was = shown_text(signup_id)
        raise AlreadyExists(f"expected the content that was sent as {was} before, was another")
    document = signup_json(signup)
    connection.execute(
        newsletter_signup.insert().values(
            account_id=account_id,
            signup_id=signup_id,
            content_hash=content_hash,
            shop_id=shop_id,
            signed_up_ns=now_ns,
            document=document.decode(),
        )
    )
    place(
        connection,
        account_id=account_id,
        kind=ExportKind.NEWSLETTER_SIGNUP,
        element_key=signup_id,
        payload=document,
        now_ns=now_ns,
    )
    return False
