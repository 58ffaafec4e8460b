/** The basket that the page keeps, and what each action of a session makes of it. */

import { micros } from "./money.js";

/** Return a basket without lines. */
export function newBasket(shop) {
  return { shop, explain: true, lineItems: [] };
}

/** Return whether a basket holds nothing that a customer would miss. */
export function isEmpty(basket) {
  const { lineItems, returns, quotes, payments } = basket;
  return !lineItems.length && !returns?.length && !quotes?.length && !payments?.length;
}

/** Return the first number that no line has. */
export function freeLineId(basket) {
  return String(1 + Math.max(0, ...basket.lineItems.map((line) => Number(line.lineItemId) || 0)));
}

/** Return the basket after an action; it stays as it was itself. */
export function after(basket, action) {
  const [[kind, value]] = Object.entries(action);
  return APPLY[kind](basket, value);
}

const APPLY = {
  addLine: (basket, { line }) => ({ ...basket, lineItems: [...basket.lineItems, line] }),
  changeLine: (basket, { line }) => withLine(basket, line.lineItemId, () => line),
  setQuantity: (basket, { lineItemId, quantityMicros }) =>
    withLine(basket, lineItemId, (line) => ({ ...line, quantityMicros })),
  removeLine: (basket, { lineItemId }) => ({
    ...basket,
    lineItems: basket.lineItems.filter((line) => line.lineItemId !== lineItemId),
  }),
  addCoupon: (basket, { coupon }) => ({
    ...basket,
    coupons: [...new Set([...(basket.coupons ?? []), coupon])],
  }),
  removeCoupon: (basket, { coupon }) => ({
    ...basket,
    coupons: basket.coupons.filter((each) => each !== coupon),
  }),
  addDiscount: (basket, { discount }) => ({
    ...basket,
    discounts: [...(basket.discounts ?? []), discount],
  }),
  removeDiscount: (basket, { discountId }) => ({
    ...basket,
    discounts: basket.discounts.filter((each) => each.id !== discountId),
  }),
  changeBasket: (basket, { basket: values, updateMask }) => {
    const changed = { ...basket };
    for (const name of updateMask.split(",")) {
      if (values[name] === undefined) delete changed[name];
      else changed[name] = values[name];
    }
    return changed;
  },
  replaceBasket: (basket, { basket: other }) => other,
  reevaluate: (basket) => basket,
};

function withLine(basket, lineItemId, change) {
  const lineItems = basket.lineItems.map((line) =>
    line.lineItemId === lineItemId ? change(line) : line,
  );
  return { ...basket, lineItems };
}

/**
 * Return the action that puts a line into the basket: one more of a line that is the same but for
 * its quantity, or a line of its own.
 */
export function adding(basket, line) {
  const same = basket.lineItems.find(
    (each) =>
      each.id === line.id &&
      (each.variantId ?? "") === (line.variantId ?? "") &&
      !each.discounts?.length &&
      !each.comment &&
      [each, line].every((one) => !one.retailPriceMicros && !one.unitCountMicros),
  );
  if (!same) return { addLine: { line: { ...line, lineItemId: freeLineId(basket) } } };
  const quantityMicros = micros(same.quantityMicros) + micros(line.quantityMicros);
  return {
    setQuantity: { lineItemId: same.lineItemId, quantityMicros: String(quantityMicros) },
  };
}

/** Return the action that sets one field of the basket; undefined takes it away. */
export function setting(name, value) {
  return { changeBasket: { basket: { [name]: value }, updateMask: name } };
}
