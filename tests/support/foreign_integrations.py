"""What IntegrationService keeps of an account, and requests that name it from another account."""

from collections.abc import Mapping
from typing import Any, Final

from tests.support.account_things import request
from tests.support.integration_fakes import integration
from tests.support.server import Caller

INTEGRATION_ID: Final = "their-integration"
PAYMENT_ID: Final = "their-payment"

REQUESTS: Final[Mapping[str, Mapping[str, Any]]] = {
    "GetIntegration": {"integration_id": INTEGRATION_ID},
    "UpdateIntegration": {"integration": integration(id=INTEGRATION_ID)},
    "DeleteIntegration": {"integration_id": INTEGRATION_ID},
    "GetIntegrationPayment": {"payment_id": PAYMENT_ID},
}
"""The fields of a request for each method that names an integration or a payment."""

AT_REGISTER: Final[Mapping[str, Mapping[str, Any]]] = {
    "GetRegisterIntegrations": {},
    "CreateGiftCard": {"request_id": "c", "amount_micros": 10**6},
    "ActivateGiftCard": {"request_id": "a", "code": "c"},
    "ReadGiftCard": {"code": "c"},
    "PayWithGiftCard": {"payment_id": "g", "code": "c", "amount_micros": 10**6},
    "ReadCustomerAccount": {"customer_id": "c"},
    "PayWithCustomerAccount": {"payment_id": "a", "customer_id": "c", "amount_micros": 10**6},
    "ReversePayment": {"payment_id": "r"},
    "LookUpCustomers": {"search_term": "c"},
    "GetShippingOptions": {},
    "GetCustomerDiscounts": {"customer_id": "c"},
    "SearchProducts": {"search_term": "c"},
}
"""The fields of a request for each method that names a register, besides its id."""


async def populate_integrations(owner: Caller, *, register_id: str) -> None:
    """Make an integration, and a payment that was reversed before it came."""
    await owner.call(request("CreateIntegration", integration=integration(id=INTEGRATION_ID)))
    await owner.call(request("ReversePayment", payment_id=PAYMENT_ID, register_id=register_id))
