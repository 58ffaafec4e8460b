/** Show the basket: its lines with their discounts, hints, the sums, and the button to pay. */

import { button, el, redraw } from "./dom.js";
import { hints } from "./hints.js";
import { MICROS_PER_UNIT, amount, micros, money, quantity, tendered } from "./money.js";
import { localized, t } from "./words.js";

const STATUS_CLASSES = {
  CONTRIBUTION_STATUS_GREEN: "green",
  CONTRIBUTION_STATUS_ORANGE: "orange",
  CONTRIBUTION_STATUS_RED: "red",
};

/** The basket side of the till. */
export class BasketPanel {
  #till;
  #do;
  #top = el("div", { class: "basket-top" });
  #lines = el("ol", { class: "lines", id: "lines" });
  #hints = el("div", { class: "hints", role: "status" });
  #sums = el("dl", { class: "sums" });
  #bottom = el("div", { class: "basket-bottom" });
  #count = 0;
  #live = el("p", { class: "hidden", "aria-live": "polite", id: "live-total" });

  /**
   * @param till What is shown.
   * @param commands What the buttons do: editLine, pay, discount, customer, coupon, park, clear.
   */
  constructor(till, commands) {
    this.#till = till;
    this.#do = commands;
    this.#lines.setAttribute("aria-label", t("basket"));
  }

  /** The elements of it. */
  get elements() {
    return [this.#top, this.#lines, this.#hints, this.#sums, this.#bottom, this.#live];
  }

  /** Draw the basket as it is now. */
  draw() {
    const { basket, evaluated } = this.#till;
    this.#drawTop(basket);
    const lines = evaluated.lineItems ?? [];
    redraw(
      this.#lines,
      lines.map((line) => this.#line(line, evaluated.currencyCode)),
      !lines.length && el("li", { class: "empty" }, t("basket.empty")),
    );
    if (lines.length > this.#count)
      this.#lines.lastElementChild.scrollIntoView({ block: "nearest" });
    this.#count = lines.length;
    redraw(
      this.#hints,
      hints(evaluated, this.#till.catalogue.campaigns).map((each) =>
        el("p", { class: "hint", "data-campaign": each.id }, each.words),
      ),
    );
    this.#drawSums(evaluated);
    this.#drawBottom(basket, evaluated, lines.length > 0);
    const total = t("total.live", {
      total: money(evaluated.totalMicros, evaluated.currencyCode),
    });
    if (this.#live.textContent !== total) this.#live.textContent = total;
  }

  #drawTop(basket) {
    const { customer, coupons = [] } = basket;
    redraw(
      this.#top,
      button(
        customer ? (customer.name ?? customer.identifier) : t("customer.choose"),
        this.#do.customer,
        {
          class: customer ? "chip chosen" : "chip",
          "data-key": "customer",
          "aria-keyshortcuts": "F4",
        },
      ),
      customer &&
        button("✕", () => this.#till.set("customer", undefined), {
          class: "plain",
          "aria-label": t("customer.remove"),
        }),
      button(t("coupon"), this.#do.coupon, { class: "chip", "data-key": "coupon" }),
      this.#purchaseType(basket),
      coupons.map((coupon) =>
        button(`${coupon} ✕`, () => this.#till.act({ removeCoupon: { coupon } }), {
          class: "chip chosen",
          "aria-label": t("coupon.remove", { coupon }),
        }),
      ),
    );
  }

  /** Return the choice between eating in and taking away, say, where there is one. */
  #purchaseType(basket) {
    const types = this.#till.purchaseTypes ?? [];
    if (!types.length) return null;
    const chosen = basket.purchaseType ?? "";
    return el(
      "select",
      {
        class: chosen ? "chip chosen" : "chip",
        id: "purchase-type",
        "aria-label": t("purchase"),
        "data-key": "purchase-type",
        onchange: (event) => this.#till.set("purchaseType", event.target.value || undefined),
      },
      [["", t("purchase.usual")], ...types.map((each) => [each.id, localized(each.name)])].map(
        ([value, words]) => el("option", { value, selected: value === chosen }, words || value),
      ),
    );
  }

  // --- lines --------------------------------------------------------------------------------

  #line(line, currency) {
    const name = localized(line.name) || line.id;
    const id = line.lineItemId;
    const reference = line.frozen?.returnReference;
    const isAgreed = Boolean(line.frozen);
    const isExpense = Boolean(line.behavior?.expense);
    const retail = micros(line.retailPriceMicros);
    return el(
      "li",
      { class: reference ? "line returned" : "line", "data-line": line.id },
      el(
        "div",
        { class: "line-main" },
        isAgreed || isExpense
          ? el("span", { class: "line-name" }, name)
          : button(name, () => this.#do.editLine(line), {
              class: "line-name plain",
              "data-key": `line-${id}`,
              "aria-label": t("line.edit", { name }),
            }),
        el("span", { class: "line-total" }, amount(line.totalMicros, currency)),
      ),
      el("div", { class: "line-detail" }, this.#details(line, reference)),
      (line.discounts ?? []).map((discount) =>
        el(
          "div",
          { class: "line-discount" },
          el("span", {}, localized(discount.name) || t("discount.sale")),
          el("span", {}, amount(-micros(discount.amountMicros), currency)),
        ),
      ),
      el(
        "div",
        { class: "line-actions" },
        !isAgreed && !isExpense && !line.unitCountMicros && this.#stepper(line, name),
        line.discounts?.length > 0 &&
          el("span", { class: "quiet" }, t("line.before", { amount: amount(retail, currency) })),
        button("✕", () => this.#remove(line), {
          class: "plain remove",
          "data-key": `remove-${id}`,
          "aria-label": t("line.remove", { name }),
        }),
      ),
    );
  }

  #details(line, reference) {
    const values = (line.dimensions ?? []).map((each) => localized(each.value?.name));
    const measure = line.unitCountMicros
      ? `${quantity(line.unitCountMicros)} ${line.unit.split("/")[1]}`
      : "";
    return [
      reference ? t("line.returned", { count: quantity(-micros(line.quantityMicros)) }) : "",
      line.frozen?.quoteReference ? t("line.quoted", { count: quantity(line.quantityMicros) }) : "",
      line.behavior?.expense ? t("expense") : "",
      ...values,
      localized(line.bundleLabel),
      measure,
      line.comment,
    ]
      .filter(Boolean)
      .join(" · ");
  }

  #stepper(line, name) {
    const id = line.lineItemId;
    const size = micros(line.quantityMicros);
    const step = this.#till.stepOf(line);
    const change = (to) => () => this.#till.setQuantity(id, to);
    return el(
      "span",
      { class: "stepper" },
      button("−", size - step > 0n ? change(size - step) : () => this.#remove(line), {
        "aria-label": t("line.less", { name }),
        "data-key": `less-${id}`,
      }),
      el("span", { class: "count" }, quantity(size)),
      button("+", change(size + step), {
        "aria-label": t("line.more", { name }),
        "data-key": `more-${id}`,
      }),
    );
  }

  #remove(line) {
    if (line.frozen?.returnReference) this.#till.removeReturned(line.frozen);
    else if (line.frozen?.quoteReference) this.#till.removeQuote(line.frozen.quoteReference);
    else this.#till.removeLine(line.lineItemId);
  }

  // --- sums and actions ---------------------------------------------------------------------

  #drawSums(evaluated) {
    const currency = evaluated.currencyCode;
    const row = (words, value, name = "") => [
      el("dt", { class: name }, words),
      el("dd", { class: name }, value),
    ];
    const discounts = micros(evaluated.totalDiscountsMicros);
    const due = micros(evaluated.payment?.dueMicros);
    redraw(
      this.#sums,
      discounts !== 0n && row(t("discounts"), amount(-discounts, currency)),
      (evaluated.taxes ?? []).map((tax) =>
        row(
          `${localized(tax.name)} ${quantity(micros(tax.rateMicros) * 100n)} %`,
          amount(tax.amountMicros, currency),
        ),
      ),
      (this.#till.basket.payments ?? []).map((payment) =>
        row(this.#till.paymentName(payment.paymentType), tendered(payment, currency)),
      ),
      row(t("total"), money(evaluated.totalMicros, currency), "grand"),
      this.#till.basket.payments?.length > 0 && row(t("due"), money(due, currency), "due"),
    );
  }

  #drawBottom(basket, evaluated, hasLines) {
    const discounts = basket.discounts ?? [];
    const status = STATUS_CLASSES[evaluated.contributionStatus] ?? "";
    const total = money(evaluated.totalMicros, evaluated.currencyCode);
    const isRefund = micros(evaluated.totalMicros) < 0n;
    redraw(
      this.#bottom,
      discounts.map((discount) =>
        button(
          `${localized(discount.name) || t("discount.manual")} ✕`,
          () => this.#till.act({ removeDiscount: { discountId: discount.id } }),
          { class: "chip chosen", "data-key": `discount-${discount.id}` },
        ),
      ),
      el(
        "div",
        { class: "actions" },
        button(t("discount"), this.#do.discount, {
          disabled: !hasLines,
          "data-key": "discount",
        }),
        button(t("park"), this.#do.park, {
          disabled: !hasLines,
          "data-key": "park",
          "aria-keyshortcuts": "F8",
        }),
        button(t("void"), this.#do.clear, { disabled: !hasLines, "data-key": "void" }),
      ),
      button(
        [
          el("span", {}, isRefund ? t("pay.back") : t("pay")),
          el("span", { id: "pay-total" }, total),
          status && el("span", { class: "hidden" }, t(`contribution.${status}`)),
        ].filter(Boolean),
        this.#do.pay,
        {
          id: "pay",
          class: `pay ${status}`,
          disabled: !hasLines,
          title: status ? t(`contribution.${status}`) : undefined,
          "data-key": "pay",
          "aria-keyshortcuts": "F9",
        },
      ),
    );
  }
}

/** One piece, by which lines without bundles step. */
export const ONE_PIECE = MICROS_PER_UNIT;
