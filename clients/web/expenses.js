/** Pay expenses of the shop out of the drawer: each is a line that takes money from the basket. */

import { freeLineId } from "./basket.js";
import { el, field, form, showDialog } from "./dom.js";
import { MICROS_PER_UNIT, parsed } from "./money.js";
import { localized, t } from "./words.js";

/** Ask which expense is paid, and how much, and put it into the basket. */
export function payExpense(till) {
  const { expenses } = till.catalogue;
  if (!expenses.length) {
    showDialog(t("expense"), () => el("p", { class: "empty" }, t("expense.none")));
    return;
  }
  const kind = field(t("expense.kind"), {
    options: expenses.map((each) => [each.id, localized(each.name)]),
    autofocus: true,
  });
  const size = field(t("expense.amount", { currency: till.market.currencyCode }), {
    inputmode: "decimal",
    required: true,
  });
  const comment = field(t("comment"), { maxlength: 1000 });
  showDialog(t("expense"), (close) =>
    form(
      async () => {
        const value = parsed(size.input.value);
        if (value === null || value <= 0n) {
          size.complain(t("number.expected"));
          return;
        }
        const expense = expenses.find((each) => each.id === kind.input.value);
        const words = comment.input.value.trim();
        try {
          await till.attempt((basket) => ({
            addLine: { line: expenseLine(basket, expense, value, words) },
          }));
        } catch (error) {
          size.complain(error.text);
          return;
        }
        close();
      },
      el("p", { class: "quiet" }, t("expense.explain")),
      kind.box,
      size.box,
      comment.box,
      el("div", { class: "actions" }, el("button", { class: "primary" }, t("add"))),
    ),
  );
}

/** Return the line of an expense: a quantity of -1, since money leaves the till. */
function expenseLine(basket, expense, value, comment) {
  const line = {
    lineItemId: freeLineId(basket),
    product: { id: expense.id, name: expense.name },
    quantityMicros: String(-MICROS_PER_UNIT),
    retailPriceMicros: String(value),
    behavior: { expense: { identifier: expense.id } },
  };
  if (comment) line.comment = comment;
  if (expense.taxes) line.taxes = expense.taxes;
  return line;
}
