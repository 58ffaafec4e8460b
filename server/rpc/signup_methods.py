"""The method of CheckoutService about newsletter signups."""

from collections.abc import Callable

from engine.errors import InvalidInput
from engine.newsletter import NewsletterSignup, read_signup
from engine.rpc.basket_service import parse
from engine.rpc.calls import Behaviour
from engine.rpc.convert.fields import Problems
from server.auth import current_principal
from server.rpc.checkout_messages import answer
from server.rpc.checkout_requests import content_hash
from server.rpc.request_ids import required_id
from server.storage import Connection, Store
from server.storage.account_tables import register
from server.storage.resources import get_row
from server.storage.signups import sign_up
from tillcore.v1 import newsletter_pb2

Clock = Callable[[], int]


class SignupMethods:
    """Take newsletter signups at the till."""

    def __init__(self, store: Store, *, clock: Clock) -> None:
        """Serve a store; `clock` is the present moment, in nanoseconds since 1970-01-01 UTC."""
        self._store = store
        self._clock = clock

    def behaviours(self) -> dict[str, Behaviour]:
        """Return the methods by their names."""
        return {"SignUpForNewsletter": self.sign_up}

    async def sign_up(self, data: bytes) -> bytes:
        """Answer a SignUpForNewsletterRequest."""
        request = parse(newsletter_pb2.SignUpForNewsletterRequest, data)
        problems = Problems()
        for name in ("signup_id", "register_id"):
            required_id(request, name, problems)
        signup = _signup(request, problems)
        problems.finish()
        principal = current_principal()
        principal.check_register(request.register_id)
        account_id, now_ns, digest = principal.account_id, self._clock(), content_hash(request)

        def work(connection: Connection) -> bool:
            till = get_row(connection, register, account_id=account_id, row_id=request.register_id)
            return sign_up(
                connection,
                signup,
                account_id=account_id,
                signup_id=request.signup_id,
                content_hash=digest,
                shop_id=till["shop_id"],
                now_ns=now_ns,
            )

        # After a lost reply to COMMIT the store runs it again, which then finds the signup.
        is_replayed = await self._store.write(work, settled=lambda _: None)
        return answer(newsletter_pb2.SignUpForNewsletterResponse, replayed=is_replayed)


def _signup(
    request: newsletter_pb2.SignUpForNewsletterRequest, problems: Problems
) -> NewsletterSignup:
    """Return who signs up, read by the rules of the other doors."""
    members = {"email": request.email} if request.email else {}
    for name in ("first_name", "last_name"):
        if request.HasField(name):
            members[name] = getattr(request, name)
    try:
        return read_signup(members)
    except InvalidInput as error:
        problems.add_all("", error.problems)
        return NewsletterSignup(email="")
