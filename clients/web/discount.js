/** Ask for a manual discount of a line or of the whole basket. */

import { el, field } from "./dom.js";
import { micros, parsed } from "./money.js";
import { t } from "./words.js";

const PERCENT_PER_WHOLE = 100n;

/** The kinds of a discount: what the message calls them, and what their number is. */
const KINDS = {
  percentage: (value) => ({ percentageMicros: String(value / PERCENT_PER_WHOLE) }),
  amount: (value) => ({ amountMicros: String(value) }),
  newPrice: (value) => ({ newPriceMicros: String(value) }),
};

/**
 * Return fields for a discount.
 *
 * @returns The box, and `read`, which returns the discount, null when none is wanted, and undefined
 *   when something is wrong and was said.
 */
export function discountFields() {
  const kind = field(t("discount.kind"), {
    value: "percentage",
    options: Object.keys(KINDS).map((name) => [name, t(`discount.${name}`)]),
  });
  const size = field(t("discount.size"), { inputmode: "decimal" });
  const name = field(t("discount.name"), { maxlength: 100 });
  const read = () => {
    if (!size.input.value.trim()) return null;
    const value = parsed(size.input.value);
    if (value === null || value < 0n) {
      size.complain(t("number.expected"));
      return undefined;
    }
    const text = name.input.value.trim() || t("discount.manual");
    return { type: KINDS[kind.input.value](value), name: { text } };
  };
  const complain = (words) => size.complain(words);
  return { box: el("div", { class: "row" }, kind.box, size.box, name.box), read, complain };
}

/** Return the first number that no discount of a list has. */
export function freeDiscountId(discounts) {
  return String(1 + Math.max(0, ...discounts.map((each) => Number(micros(each.id || "0")))));
}
