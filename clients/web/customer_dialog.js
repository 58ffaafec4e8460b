/** Choose the customer of a basket, and take its coupons. */

import { setting } from "./basket.js";
import { basketCustomer, findCustomers } from "./catalogue.js";
import { button, el, field, form, redraw, showDialog } from "./dom.js";
import { record } from "./events.js";
import { t } from "./words.js";

const SHOWN_MAX = 30;

/** Ask for the customer. */
export function chooseCustomer(till) {
  const found = el("ul", { class: "picks" });
  const search = field(t("customer.search"), {
    type: "search",
    autofocus: true,
    oninput: () => draw(),
  });
  let close;
  const draw = () => {
    const customers = findCustomers(till.catalogue.customers, search.input.value);
    redraw(
      found,
      customers.slice(0, SHOWN_MAX).map((customer) =>
        el(
          "li",
          {},
          button(row(customer), () => take(customer), { class: "pick" }),
        ),
      ),
      !customers.length && el("li", { class: "empty" }, t("customer.none")),
    );
  };
  const take = async (customer) => {
    try {
      await till.attempt(setting("customer", basketCustomer(customer)));
      record("CUSTOMER_ADDED");
      close();
    } catch (error) {
      search.complain(error.text);
    }
  };
  close = showDialog(t("customer.choose"), () => [
    form(async () => {
      const [only, another] = findCustomers(till.catalogue.customers, search.input.value);
      if (only && !another) await take(only);
    }, search.box),
    found,
  ]);
  draw();
}

function row(customer) {
  return [
    el("strong", {}, customer.name ?? customer.identifier),
    el(
      "span",
      { class: "quiet" },
      [customer.identifier, customer.email, customer.city].filter(Boolean).join(" · "),
    ),
  ];
}

/** Ask for a coupon. */
export function addCoupon(till) {
  const code = field(t("coupon.code"), { autofocus: true, maxlength: 255 });
  showDialog(t("coupon"), (close) =>
    form(
      async () => {
        const coupon = code.input.value.trim();
        if (!coupon) {
          code.complain(t("coupon.expected"));
          return;
        }
        try {
          await till.attempt({ addCoupon: { coupon } });
          close();
        } catch (error) {
          code.complain(error.text);
        }
      },
      code.box,
      el("div", { class: "actions" }, el("button", { class: "primary" }, t("add"))),
    ),
  );
}
