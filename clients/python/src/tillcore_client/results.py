"""Read the result of one basket of several: the evaluated basket, or what is wrong with it."""

from tillcore_client import v1
from tillcore_client.errors import CallError, details_of_status, error_of


def result_of(answer: v1.BasketResult | v1.StreamBasketsResponse) -> v1.EvaluatedBasket | CallError:
    """Return the evaluated basket, or the error, which is not raised."""
    if answer.WhichOneof("result") == "evaluated_basket":
        return answer.evaluated_basket
    return error_of(details_of_status(answer.status))
