/** Read and write amounts: whole micros as BigInt, never a floating point number. */

import { locale } from "./words.js";

export const MICROS_PER_UNIT = 1_000_000n;
const DIGITS = 6;

/** Return the micros of a field of a message; what is not set is 0. */
export function micros(value) {
  return BigInt(value ?? 0);
}

/** Return micros as a decimal number, such as `-12.5`. */
export function decimal(value) {
  const size = value < 0n ? -value : value;
  const rest = String(size % MICROS_PER_UNIT)
    .padStart(DIGITS, "0")
    .replace(/0+$/, "");
  return `${value < 0n ? "-" : ""}${size / MICROS_PER_UNIT}${rest ? `.${rest}` : ""}`;
}

/** Return an amount for people; Intl takes the decimal text and so keeps every digit. */
export function money(value, currency) {
  const format = new Intl.NumberFormat(locale(), { style: "currency", currency });
  return format.format(decimal(micros(value)));
}

/** Return an amount without its currency, for columns and for fields. */
export function amount(value, currency, { useGrouping = true } = {}) {
  const { maximumFractionDigits } = new Intl.NumberFormat("en", {
    style: "currency",
    currency,
  }).resolvedOptions();
  const format = new Intl.NumberFormat(locale(), {
    minimumFractionDigits: maximumFractionDigits,
    maximumFractionDigits: DIGITS,
    useGrouping,
  });
  return format.format(decimal(micros(value)));
}

/** Return what somebody has paid, in the currency that it was paid in. */
export function tendered(payment, currency) {
  return payment.foreignCurrency
    ? money(payment.foreignCurrencyAmountMicros, payment.foreignCurrency)
    : amount(payment.amountMicros, currency);
}

/** Return an amount as somebody types it into a field. */
export function typed(value, currency) {
  return amount(value, currency, { useGrouping: false });
}

/** Return a quantity for people, such as `1,5`. */
export function quantity(value) {
  return new Intl.NumberFormat(locale(), { maximumFractionDigits: DIGITS }).format(
    decimal(micros(value)),
  );
}

/** Return a fraction in micros as percent for people. */
export function percent(value) {
  return `${quantity(micros(value) * 100n)} %`;
}

/** Return the micros of a decimal number as documents have it, null when it is none. */
export function exact(text) {
  const found = /^(-?)(\d{1,12})(?:\.(\d{0,6}))?$/.exec(text);
  if (!found) return null;
  const [, sign, whole, rest = ""] = found;
  const size = BigInt(whole) * MICROS_PER_UNIT + BigInt(rest.padEnd(DIGITS, "0"));
  return sign ? -size : size;
}

/**
 * Return the micros of what somebody typed, null when it is no number.
 *
 * The last comma or point is the decimal one, unless it repeats or groups three digits of the
 * language; so `1.795,00` and `1,795.00` are the same, and `12,5` is twelve and a half.
 */
export function parsed(text) {
  let digits = text.replace(/[\s\u00a0\u202f]/g, "").replace(/\u2212/g, "-");
  const last = Math.max(digits.lastIndexOf(","), digits.lastIndexOf("."));
  if (last >= 0) {
    const mark = digits[last];
    const isGrouping =
      digits.indexOf(mark) !== last ||
      (mark === groupMark() && /^\d{3}$/.test(digits.slice(last + 1)));
    const whole = (isGrouping ? digits : digits.slice(0, last)).replace(/[.,]/g, "");
    digits = isGrouping ? whole : `${whole}.${digits.slice(last + 1)}`;
  }
  return exact(digits);
}

function groupMark() {
  const parts = new Intl.NumberFormat(locale()).formatToParts(1000000);
  return parts.find((part) => part.type === "group")?.value;
}
