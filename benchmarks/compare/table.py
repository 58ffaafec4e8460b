"""Print how the rivals compare on the standard basket, after all gave the same results."""

from moneyed import DKK, Money

from benchmarks import workloads
from benchmarks.clock import Row, interleave
from benchmarks.compare import decimal_till, moneyed_till, rivals
from benchmarks.compare.rivals import Answer
from benchmarks.workloads import Workload
from engine.basket import evaluate
from engine.model import Basket
from engine.plan import compile_plan

MONEYED = "py-moneyed objects"


def main() -> None:
    """Check that all rivals agree, time them in one run and print the table."""
    workload = workloads.standard()
    rivals.check_agreement(workload)
    check_moneyed(workload)
    rows = (
        rivals.kernel_row,
        rivals.engine_row,
        rivals.decimal_row,
        moneyed_row,
        rivals.reference_row,
    )
    timings = interleave([row(workload) for row in rows])
    kernel = timings[rivals.KERNEL].least
    print(f"{workload.name}: {len(workload.baskets)} baskets, equal results to the cent")
    print(f"{'':<36}{'us, least':>12}{'us, median':>12}{'to kernel':>12}")
    for name, timing in timings.items():
        least, median = timing.least * 1e6, timing.median * 1e6
        print(f"{name:<36}{least:>12.2f}{median:>12.2f}{timing.least / kernel:>11.0f}x")


def check_moneyed(workload: Workload) -> None:
    """Raise AssertionError unless the carts give the engine's results on every basket."""
    plan = compile_plan(workload.context)
    for basket in workload.baskets:
        cart = moneyed_cart(workload, basket)
        cart.evaluate()
        assert rivals.engine_answer(evaluate(basket, plan)) == moneyed_answer(cart)


def moneyed_cart(workload: Workload, basket: Basket) -> moneyed_till.Cart:
    """Return a basket as a cart with its promotions."""
    return moneyed_till.Cart(
        items=[
            moneyed_till.Item(
                product=line.product,
                tags=frozenset(line.tags),
                unit_price=Money(line.price, DKK),
                quantity=line.quantity,
                vat_rate=line.vat_rate,
            )
            for line in rivals.decimal_lines(workload, basket)
        ],
        promotions=[moneyed_promotion(each) for each in rivals.decimal_campaigns(workload)],
    )


def moneyed_promotion(campaign: decimal_till.Campaign) -> moneyed_till.Promotion:
    """Return a campaign of the Decimal till as a promotion."""
    name, value = campaign.id, campaign.value
    if campaign.kind == "basket_percentage":
        return moneyed_till.BasketPercentage(name, value)
    if campaign.kind == "percentage_tag":
        return moneyed_till.PercentageOff(name, value, tag=campaign.named)
    if campaign.kind == "percentage_product":
        return moneyed_till.PercentageOff(name, value, product=campaign.named)
    if campaign.kind == "new_price":
        price = Money(value, DKK)
        return moneyed_till.NewPrice(name, campaign.named, campaign.count, price)
    return moneyed_till.CheapestFree(name, campaign.named, campaign.count)


def moneyed_answer(cart: moneyed_till.Cart) -> Answer:
    """Return what an evaluated cart says."""
    return Answer(
        lines=[
            (item.retail.amount, item.sub_total.amount, item.base.amount, item.vat.amount)
            for item in cart.items
        ],
        discounts=sorted(
            (index, name, money.amount)
            for index, item in enumerate(cart.items)
            for name, money in item.discounts
        ),
        total=cart.total.amount,
        total_discounts=cart.total_discounts.amount,
    )


def moneyed_row(workload: Workload) -> Row:
    """Return the py-moneyed till; a cart keeps its result, so that each call makes its own."""
    baskets = [moneyed_cart(workload, basket) for basket in workload.baskets]

    def call() -> None:
        for cart in baskets:
            for item in cart.items:
                item.discounts, item.used = [], 0
            cart.evaluate()

    return Row(MONEYED, call, len(baskets))


if __name__ == "__main__":
    main()
