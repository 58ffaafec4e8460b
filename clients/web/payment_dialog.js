/** Take payments: cash with change and rounding, everything else for what is due, and in parts. */

import { complete } from "./checkout.js";
import { setting } from "./basket.js";
import { button, el, field, form, redraw, showDialog } from "./dom.js";
import { record } from "./events.js";
import { MICROS_PER_UNIT, micros, money, parsed, tendered, typed } from "./money.js";
import { t } from "./words.js";

const CASH = "cash";
const NOTES = [50n, 100n, 200n, 500n, 1000n].map((each) => each * MICROS_PER_UNIT);
const NOTES_SHOWN = 3;

/** Ask how a basket is paid; `done` gets the checkout once it is recorded. */
export function takePayment(till, done) {
  if (settled(till)) {
    // Nothing is due: goods were exchanged for goods of the same price, say.
    new PaymentDialog(till, done, { isSettled: true });
    return;
  }
  new PaymentDialog(till, done);
}

function settled(till) {
  return micros(till.evaluated.payment?.dueMicros) === 0n;
}

class PaymentDialog {
  #till;
  #done;
  #close;
  #body = el("div", { class: "payment" });
  #trouble = el("p", { class: "error", role: "alert", id: "payment-trouble" });
  #isBusy = false;

  constructor(till, done, { isSettled = false } = {}) {
    this.#till = till;
    this.#done = done;
    this.#close = showDialog(t("pay"), () => [this.#body, this.#trouble], {
      name: "wide",
      mayClose: () => !this.#isBusy,
    });
    this.#draw();
    if (isSettled && till.basket.payments?.length) this.#complete();
  }

  #draw() {
    const { evaluated, basket } = this.#till;
    const currency = evaluated.currencyCode;
    const due = micros(evaluated.payment?.dueMicros);
    const size = this.#sizeField(due, currency);
    redraw(
      this.#body,
      el(
        "dl",
        { class: "sums" },
        this.#row(t("total"), money(evaluated.totalMicros, currency)),
        (basket.payments ?? []).map((payment, index) =>
          this.#row(this.#till.paymentName(payment.paymentType), [
            tendered(payment, currency),
            button("✕", () => this.#setPayments(basket.payments.toSpliced(index, 1)), {
              class: "plain",
              "aria-label": t("payment.remove"),
            }),
          ]),
        ),
        this.#row(due < 0n ? t("due.back") : t("due"), money(due, currency), "grand"),
      ),
      due === 0n
        ? button(t("pay.finish"), () => this.#complete(), {
            class: "primary",
            autofocus: true,
          })
        : [this.#cash(due, currency), this.#foreign(due), this.#others(size)],
    );
    this.#body.querySelector("[autofocus]")?.focus();
  }

  #row(words, value, name = "") {
    return [el("dt", { class: name }, words), el("dd", { class: name }, value)];
  }

  // --- cash ---------------------------------------------------------------------------------

  #cash(due, currency) {
    const cashDue = micros(this.#till.evaluated.payment?.cashDueMicros);
    const received = field(due < 0n ? t("cash.paid.back") : t("cash.tendered"), {
      inputmode: "decimal",
      value: typed(cashDue, currency),
      id: "tendered",
      autofocus: true,
      onfocus: (event) => event.target.select(),
    });
    const notes = due < 0n ? [] : NOTES.filter((each) => each > cashDue).slice(0, NOTES_SHOWN);
    return el(
      "section",
      { "aria-label": t("cash") },
      el("h3", {}, t("cash")),
      cashDue !== due &&
        el("p", { class: "quiet" }, t("cash.rounded", { amount: money(cashDue, currency) })),
      form(
        () => this.#pay(CASH, received, true),
        received.box,
        el(
          "div",
          { class: "actions" },
          el(
            "button",
            { class: "primary", id: "pay-cash" },
            due < 0n ? t("cash.back") : t("cash.take"),
          ),
          notes.map((note) =>
            button(money(note, currency), () => this.#add(CASH, note, received), {
              class: "note",
            }),
          ),
        ),
      ),
    );
  }

  /** Return the fields for cash in the currencies that the market has a rate for. */
  #foreign(due) {
    const every = this.#till.evaluated.payment?.foreignDue ?? [];
    if (due < 0n || !every.length) return null;
    return el(
      "section",
      { "aria-label": t("foreign") },
      el("h3", {}, t("foreign")),
      every.map(({ currencyCode, amountMicros }) => {
        const size = field(t("foreign.received", { currency: currencyCode }), {
          inputmode: "decimal",
          value: typed(amountMicros, currencyCode),
          id: `foreign-${currencyCode}`,
          onfocus: (event) => event.target.select(),
        });
        return form(
          () => this.#payForeign(currencyCode, size),
          size.box,
          el(
            "div",
            { class: "actions" },
            el(
              "button",
              { class: "primary", "data-currency": currencyCode },
              t("foreign.take", { currency: currencyCode }),
            ),
          ),
        );
      }),
    );
  }

  async #payForeign(foreignCurrency, source) {
    const value = parsed(source.input.value);
    if (value === null || value <= 0n) {
      source.complain(t("number.expected"));
      return;
    }
    record("CASH_DRAWER_OPENED");
    // The server makes the amount of it, by the rate of the market.
    await this.#append(
      {
        paymentType: CASH,
        amountMicros: "0",
        foreignCurrency,
        foreignCurrencyAmountMicros: String(value),
      },
      source,
    );
  }

  // --- other payment types ------------------------------------------------------------------

  #sizeField(due, currency) {
    return field(t("payment.size"), {
      inputmode: "decimal",
      value: typed(due, currency),
      id: "part",
      onfocus: (event) => event.target.select(),
    });
  }

  #others(size) {
    const types = this.#till.paymentTypes.filter((type) => type.group !== CASH);
    return el(
      "section",
      { "aria-label": t("payment.others") },
      el("h3", {}, t("payment.others")),
      el(
        "div",
        { class: "actions" },
        types.map((type) =>
          button(type.name || type.id, () => this.#pay(type.id, size), {
            class: "primary",
            "data-type": type.id,
          }),
        ),
      ),
      size.box,
    );
  }

  async #pay(type, source, isDrawerOpened = false) {
    const value = parsed(source.input.value);
    if (value === null || value === 0n) {
      source.complain(t("number.expected"));
      return;
    }
    if (isDrawerOpened) record("CASH_DRAWER_OPENED");
    await this.#add(type, value, source);
  }

  async #add(paymentType, value, source) {
    await this.#append({ paymentType, amountMicros: String(value) }, source);
  }

  async #append(payment, source) {
    if (this.#isBusy) return;
    await this.#setPayments([...(this.#till.basket.payments ?? []), payment], source);
  }

  async #setPayments(payments, source) {
    this.#isBusy = true;
    try {
      await this.#till.attempt(setting("payments", payments.length ? payments : undefined));
    } catch (error) {
      if (source) source.complain(error.text);
      else this.#trouble.textContent = error.text;
      return;
    } finally {
      this.#isBusy = false;
    }
    this.#trouble.textContent = "";
    if (payments.length && settled(this.#till)) await this.#complete();
    else this.#draw();
  }

  // --- the end ------------------------------------------------------------------------------

  async #complete() {
    if (this.#isBusy) return;
    this.#isBusy = true;
    redraw(this.#body, el("p", { class: "busy", role: "status" }, t("pay.recording")));
    try {
      const checkout = await complete(this.#till, (error) => {
        this.#trouble.textContent = `${error.text} ${t("pay.again")}`;
      });
      this.#close();
      this.#done(checkout);
    } catch (error) {
      this.#trouble.textContent = error.text;
      if (error.reasons.includes("TOTAL_CHANGED")) await this.#till.act({ reevaluate: {} });
      this.#isBusy = false;
      this.#draw();
    }
  }
}
