"""The methods of IntegrationService about money: gift cards, vouchers, accounts, reversals."""

from collections.abc import Mapping
from typing import Any, Final

from engine.customers import credit_problems
from engine.errors import FieldProblem, Reason, WrongState
from engine.model import Customer, Payment
from engine.rpc.basket_service import parse
from engine.rpc.calls import Behaviour
from engine.rpc.convert.fields import Problems
from server.auth import current_principal
from server.integrations.answers import (
    STATUS_ACTIVE,
    STATUS_CREATED,
    STATUS_USED,
    Account,
    Card,
    read_account,
    read_card,
)
from server.integrations.choosing import Wanted
from server.integrations.desk import Deed, Desk
from server.integrations.integration import Action, Integration, IntegrationKind
from server.integrations.requests import amount
from server.integrations.site import Site
from server.rpc.integration_requests import (
    action_id,
    card_kind,
    check_whole,
    content_hash,
    positive_amount,
    wanted,
)
from server.rpc.request_ids import required_id
from tillcore.v1 import integration_payment_pb2 as pb

_STATUSES: Final = {
    STATUS_CREATED: pb.GIFT_CARD_STATUS_CREATED,
    STATUS_ACTIVE: pb.GIFT_CARD_STATUS_ACTIVE,
    STATUS_USED: pb.GIFT_CARD_STATUS_USED,
}


class IntegrationPaymentMethods:
    """Ask for what moves money."""

    def __init__(self, desk: Desk) -> None:
        """Ask at a desk."""
        self._desk = desk

    def behaviours(self) -> dict[str, Behaviour]:
        """Return the methods by their names."""
        return {
            "CreateGiftCard": self.create_gift_card,
            "ActivateGiftCard": self.activate_gift_card,
            "ReadGiftCard": self.read_gift_card,
            "PayWithGiftCard": self.pay_with_gift_card,
            "ReadCustomerAccount": self.read_customer_account,
            "PayWithCustomerAccount": self.pay_with_customer_account,
            "ReversePayment": self.reverse_payment,
        }

    # --- cards -------------------------------------------------------------------------------

    async def create_gift_card(self, data: bytes) -> bytes:
        """Answer a CreateGiftCardRequest."""
        request = parse(pb.CreateGiftCardRequest, data)
        problems = Problems()
        whom = wanted(request, card_kind(request, problems), problems)
        request_id = action_id(request, "request_id", problems)
        amount_micros = positive_amount(request, problems)
        if request.code:
            problems.id_at("code", request.code)
        problems.finish()

        def members(site: Site) -> Mapping[str, object]:
            check_whole(amount_micros, site.currency_code)
            return {
                "request_id": request_id,
                "amount": amount(amount_micros, site.currency_code),
                "code": request.code or None,
            }

        def read(value: object, site: Site, integration: Integration) -> bytes:
            card = read_card(
                value,
                currency_code=site.currency_code,
                status=STATUS_CREATED,
                amount_micros=amount_micros,
            )
            answer = pb.CreateGiftCardResponse(gift_card=_card(card, integration))
            return answer.SerializeToString()

        deed = Deed(Action.CREATE, request_id, content_hash(request), amount_micros, members, read)
        return await self._done(pb.CreateGiftCardResponse, whom, deed)

    async def activate_gift_card(self, data: bytes) -> bytes:
        """Answer an ActivateGiftCardRequest."""
        request = parse(pb.ActivateGiftCardRequest, data)
        problems = Problems()
        whom = wanted(request, card_kind(request, problems), problems)
        request_id = action_id(request, "request_id", problems)
        code = required_id(request, "code", problems)
        problems.finish()

        def read(value: object, site: Site, integration: Integration) -> bytes:
            card = read_card(value, currency_code=site.currency_code, status=STATUS_ACTIVE)
            answer = pb.ActivateGiftCardResponse(gift_card=_card(card, integration))
            return answer.SerializeToString()

        members = {"request_id": request_id, "code": code}
        deed = Deed(Action.ACTIVATE, request_id, content_hash(request), 0, lambda _: members, read)
        return await self._done(pb.ActivateGiftCardResponse, whom, deed)

    async def read_gift_card(self, data: bytes) -> bytes:
        """Answer a ReadGiftCardRequest."""
        request = parse(pb.ReadGiftCardRequest, data)
        problems = Problems()
        whom = wanted(request, card_kind(request, problems), problems)
        code = required_id(request, "code", problems)
        problems.finish()

        def read(value: object, site: Site) -> Card:
            return read_card(value, currency_code=site.currency_code)

        card, _, integration = await self._desk.ask(whom, Action.READ, {"code": code}, read)
        return pb.ReadGiftCardResponse(gift_card=_card(card, integration)).SerializeToString()

    async def pay_with_gift_card(self, data: bytes) -> bytes:
        """Answer a PayWithGiftCardRequest."""
        request = parse(pb.PayWithGiftCardRequest, data)
        problems = Problems()
        whom = wanted(request, card_kind(request, problems), problems)
        payment_id = action_id(request, "payment_id", problems)
        code = required_id(request, "code", problems)
        amount_micros = positive_amount(request, problems)
        problems.finish()

        def members(site: Site) -> Mapping[str, object]:
            check_whole(amount_micros, site.currency_code)
            return {
                "payment_id": payment_id,
                "code": code,
                "amount": amount(amount_micros, site.currency_code),
            }

        def read(value: object, site: Site, integration: Integration) -> bytes:
            card = read_card(value, currency_code=site.currency_code)
            answer = pb.PayWithGiftCardResponse(gift_card=_card(card, integration))
            return answer.SerializeToString()

        deed = Deed(Action.PAY, payment_id, content_hash(request), amount_micros, members, read)
        return await self._done(pb.PayWithGiftCardResponse, whom, deed)

    # --- accounts ----------------------------------------------------------------------------

    async def read_customer_account(self, data: bytes) -> bytes:
        """Answer a ReadCustomerAccountRequest."""
        request = parse(pb.ReadCustomerAccountRequest, data)
        problems = Problems()
        whom = wanted(request, IntegrationKind.CUSTOMER_ACCOUNT, problems)
        customer_id = required_id(request, "customer_id", problems)
        problems.finish()
        account, site, integration = await self._read_account(whom, customer_id)
        message = _account(account, site, integration)
        return pb.ReadCustomerAccountResponse(account=message).SerializeToString()

    async def pay_with_customer_account(self, data: bytes) -> bytes:
        """Answer a PayWithCustomerAccountRequest."""
        request = parse(pb.PayWithCustomerAccountRequest, data)
        problems = Problems()
        whom = wanted(request, IntegrationKind.CUSTOMER_ACCOUNT, problems)
        payment_id = action_id(request, "payment_id", problems)
        customer_id = required_id(request, "customer_id", problems)
        amount_micros = positive_amount(request, problems)
        problems.finish()

        def members(site: Site) -> Mapping[str, object]:
            return {
                "payment_id": payment_id,
                "customer_id": customer_id,
                "amount": amount(amount_micros, site.currency_code),
            }

        def read(value: object, site: Site, integration: Integration) -> bytes:
            account = read_account(
                value, currency_code=site.currency_code, paid_micros=amount_micros
            )
            answer = pb.PayWithCustomerAccountResponse(account=_account(account, site, integration))
            return answer.SerializeToString()

        async def check(site: Site) -> None:
            check_whole(amount_micros, site.currency_code)
            account, _, _ = await self._read_account(whom, customer_id)
            _check_credit(account, customer_id, amount_micros)

        deed = Deed(
            Action.PAY,
            payment_id,
            content_hash(request),
            amount_micros,
            members,
            read,
            before=check,
        )
        return await self._done(pb.PayWithCustomerAccountResponse, whom, deed)

    async def _read_account(
        self, whom: Wanted, customer_id: str
    ) -> tuple[Account, Site, Integration]:
        def read(value: object, site: Site) -> Account:
            return read_account(value, currency_code=site.currency_code)

        return await self._desk.ask(whom, Action.READ, {"customer_id": customer_id}, read)

    # --- reversals ---------------------------------------------------------------------------

    async def reverse_payment(self, data: bytes) -> bytes:
        """Answer a ReversePaymentRequest."""
        request = parse(pb.ReversePaymentRequest, data)
        problems = Problems()
        payment_id = action_id(request, "payment_id", problems)
        register_id = required_id(request, "register_id", problems)
        principal = current_principal()
        principal.check_register(register_id)
        problems.finish()
        back_micros, is_replayed = await self._desk.reverse(
            account_id=principal.account_id, payment_id=payment_id, register_id=register_id
        )
        answer = pb.ReversePaymentResponse(amount_micros=back_micros, replayed=is_replayed)
        return answer.SerializeToString()

    async def _done(self, kind: type[Any], whom: Wanted, deed: Deed) -> bytes:
        """Have something done once, and return the response with `replayed`."""
        done = await self._desk.act(whom, deed)
        if not done.replayed:
            return done.answer
        answer = kind.FromString(done.answer)
        answer.replayed = True
        replayed: bytes = answer.SerializeToString()
        return replayed


def _check_credit(account: Account, customer_id: str, amount_micros: int) -> None:
    """Refuse a purchase that the account does not allow (reference: models, credit limit).

    Raises:
        WrongState: The customer is blocked, or the purchase less the balance exceeds the limit.
    """
    if account.is_blocked:
        message = "expected a customer who may buy, was one who is blocked"
        raise WrongState(message, [FieldProblem("customer_id", Reason.NOT_ALLOWED, message)])
    if account.balance_micros is None:
        return
    customer = Customer(
        identifier=customer_id,
        balance_micros=account.balance_micros,
        credit_limit_micros=account.credit_limit_micros,
    )
    payment = Payment(payment_type="customer_account", amount_micros=amount_micros)
    found = credit_problems(customer, (payment,)).get(0)
    if found is not None:
        problem = FieldProblem("amount_micros", found.reason, found.message)
        raise WrongState(found.message, [problem])


def _card(card: Card, integration: Integration) -> pb.GiftCard:
    return pb.GiftCard(
        id=card.id,
        code=card.code,
        amount_micros=card.amount_micros,
        currency_code=card.currency_code,
        status=_STATUSES[card.status],
        create_date=card.create_date,
        expiry_date=card.expiry_date,
        external_giftcard=card.is_external,
        integration_id=integration.identifier,
    )


def _account(
    account: Account, site: Site, integration: Integration
) -> pb.IntegratedCustomerAccount:
    return pb.IntegratedCustomerAccount(
        amount_micros=account.amount_micros,
        currency_code=site.currency_code,
        balance_micros=account.balance_micros,
        credit_limit_micros=account.credit_limit_micros,
        block_sales=account.is_blocked,
        integration_id=integration.identifier,
    )
