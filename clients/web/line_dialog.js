/** Change a line: its quantity, bundles, a discount, a remark; and discounts of the basket. */

import { button, el, field, form, showDialog } from "./dom.js";
import { discountFields, freeDiscountId } from "./discount.js";
import { record } from "./events.js";
import { decimal, micros, parsed } from "./money.js";
import { localeDecimal, localized, t } from "./words.js";

/** Show what can be changed of a line. */
export function editLine(till, evaluated) {
  const line = till.basket.lineItems.find((each) => each.lineItemId === evaluated.lineItemId);
  if (!line) return;
  const product = till.catalogue.byId.get(line.id);
  const isMeasured = Boolean(line.unitCountMicros);
  const present = isMeasured ? line.unitCountMicros : line.quantityMicros;
  const size = field(isMeasured ? t("measure") : t("quantity"), {
    inputmode: "decimal",
    value: localeDecimal(decimal(micros(present))),
    autofocus: true,
    onfocus: (event) => event.target.select(),
  });
  const discount = discountFields();
  const comment = field(t("comment"), { value: line.comment ?? "", maxlength: 500 });
  showDialog(localized(evaluated.name) || line.id, (close) =>
    form(
      () => apply(till, line, { size, discount, comment, isMeasured, close }),
      size.box,
      bundleButtons(product, size),
      discountList(till, line, close),
      el("h3", {}, t("discount")),
      discount.box,
      comment.box,
      el("div", { class: "actions" }, el("button", { class: "primary" }, t("apply"))),
    ),
  );
}

async function apply(till, line, { size, discount, comment, isMeasured, close }) {
  const value = parsed(size.input.value);
  if (value === null || value <= 0n) {
    size.complain(t("number.expected"));
    return;
  }
  const more = discount.read();
  if (more === undefined) return;
  const discounts = line.discounts ?? [];
  if (more) record("DISCOUNT_ADDED");
  const changed = {
    ...line,
    [isMeasured ? "unitCountMicros" : "quantityMicros"]: String(value),
    discounts: more ? [...discounts, { ...more, id: freeDiscountId(discounts) }] : discounts,
    comment: comment.input.value.trim() || undefined,
  };
  try {
    await till.attempt({ changeLine: { line: changed } });
    close();
  } catch (error) {
    (more ? discount : size).complain(error.text);
  }
}

function bundleButtons(product, size) {
  const bundles = product?.bundles ?? [];
  if (!bundles.length) return null;
  return el(
    "div",
    { class: "actions" },
    bundles.map((bundle) =>
      button(
        `${localized(bundle.name)}: ${localeDecimal(decimal(micros(bundle.quantityMicros)))}`,
        () => {
          size.input.value = localeDecimal(decimal(micros(bundle.quantityMicros)));
        },
      ),
    ),
  );
}

function discountList(till, line, close) {
  return (line.discounts ?? []).map((discount) =>
    button(
      `${localized(discount.name)} ✕`,
      async () => {
        record("DISCOUNT_REMOVED");
        const discounts = line.discounts.filter((each) => each.id !== discount.id);
        close();
        await till.act({ changeLine: { line: { ...line, discounts } } });
      },
      {
        class: "chip chosen",
        "aria-label": t("discount.remove", { name: localized(discount.name) }),
      },
    ),
  );
}

/** Ask for a discount of the whole basket. */
export function addDiscount(till) {
  const fields = discountFields();
  showDialog(t("discount.basket"), (close) =>
    form(
      async () => {
        const discount = fields.read();
        if (discount === undefined) return;
        if (discount === null) {
          fields.complain(t("number.expected"));
          return;
        }
        const id = freeDiscountId(till.basket.discounts ?? []);
        try {
          await till.attempt({ addDiscount: { discount: { ...discount, id } } });
          record("DISCOUNT_ADDED");
          close();
        } catch (error) {
          fields.complain(error.text);
        }
      },
      fields.box,
      el("div", { class: "actions" }, el("button", { class: "primary" }, t("apply"))),
    ),
  );
}
