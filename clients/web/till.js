/** The till: what is open, who sells, and the basket, with what can be done to them. */

import { ONE_PIECE } from "./basket_panel.js";
import { adding, after, isEmpty, newBasket, setting } from "./basket.js";
import { record } from "./events.js";
import { forget, keep, newId, recall } from "./memory.js";
import { micros } from "./money.js";
import { complain } from "./notices.js";
import { call } from "./rpc.js";
import { BasketSession } from "./session.js";

/** A till at a register. */
export class Till {
  #session;
  #onChange;
  #onState;

  /**
   * @param place Register, shop, market and cashier.
   * @param onChange Called after every change of the basket.
   * @param onState Called with the state of the connection.
   */
  constructor(place, { catalogue, paymentTypes, purchaseTypes, onChange, onState }) {
    Object.assign(this, place, { catalogue, paymentTypes, purchaseTypes });
    this.basket = recall(this.#key, null) ?? newBasket(this.shop.id);
    this.evaluated = { currencyCode: this.market.currencyCode };
    this.#onChange = onChange;
    this.#onState = onState;
  }

  get #key() {
    return `basket.${this.register.id}`;
  }

  /** Begin the session of the basket. */
  start() {
    this.#session = new BasketSession({
      marketId: this.market.id,
      basket: this.basket,
      onState: this.#onState,
      onEvaluated: (basket, evaluated) => this.#commit(basket, evaluated),
    });
  }

  /** End the session of the basket; the basket is kept for the next time. */
  stop() {
    this.#session.close();
  }

  #commit(basket, evaluated) {
    this.basket = basket;
    this.evaluated = evaluated;
    keep(this.#key, basket);
    this.#onChange();
  }

  /**
   * Do an action, after all before it.
   *
   * @param action The action, or what returns it from the basket as it is then.
   * @throws {RpcError} It was refused; the basket is as before.
   */
  async attempt(action) {
    const { basket, evaluated } = await this.#session.edit((present) => {
      const made = typeof action === "function" ? action(present) : action;
      return { action: made, after: after(present, made) };
    });
    this.#commit(basket, evaluated);
    return evaluated;
  }

  /** Do an action, and say so when it is refused. */
  async act(action) {
    try {
      return await this.attempt(action);
    } catch (error) {
      complain(error);
      return null;
    }
  }

  // --- lines --------------------------------------------------------------------------------

  /** Put a line into the basket. */
  async add(line) {
    if (isEmpty(this.basket)) record("SALE_INITIATED");
    record("LINE_ITEM_ADDED");
    return this.act((basket) => adding(basket, line));
  }

  /** Set the quantity of a line. */
  setQuantity(lineItemId, size) {
    record("LINE_ITEM_QUANTITY_ADJUSTED");
    return this.act({ setQuantity: { lineItemId, quantityMicros: String(size) } });
  }

  /** Take a line out of the basket. */
  removeLine(lineItemId) {
    record("LINE_ITEM_REMOVED");
    return this.act({ removeLine: { lineItemId } });
  }

  /** Take a line that comes back out of the basket. */
  removeReturned({ returnReference, lineItemId }) {
    record("LINE_ITEM_SUMMARIES_REMOVED");
    const returns = (this.basket.returns ?? [])
      .map((each) =>
        each.returnReference === returnReference
          ? {
              ...each,
              lineItems: each.lineItems.filter((line) => line.lineItem.lineItemId !== lineItemId),
            }
          : each,
      )
      .filter((each) => each.lineItems.length);
    return this.set("returns", returns.length ? returns : undefined);
  }

  /** Take a quote or an order into the basket; its lines are as they were agreed. */
  collect(quote) {
    return this.attempt((basket) => {
      const others = (basket.quotes ?? []).filter(
        (each) => each.quoteReference !== quote.quoteReference,
      );
      return setting("quotes", [...others, quote]);
    });
  }

  /** Take a quote out of the basket again; it stays to be collected. */
  removeQuote(reference) {
    const quotes = (this.basket.quotes ?? []).filter((each) => each.quoteReference !== reference);
    return this.set("quotes", quotes.length ? quotes : undefined);
  }

  /** Set a field of the basket. */
  set(name, value) {
    return this.act(setting(name, value));
  }

  /** Return by how much plus and minus change a line: by its bundle, or by a piece. */
  stepOf(line) {
    const bundles = this.catalogue.byId.get(line.id)?.bundles ?? [];
    const bundle = bundles.find((each) => each.isDefault);
    return bundle ? micros(bundle.quantityMicros) : ONE_PIECE;
  }

  /** Return the name of a payment type. */
  paymentName(id) {
    return this.paymentTypes.find((type) => type.id === id)?.name ?? id;
  }

  // --- the whole basket ---------------------------------------------------------------------

  /** Begin with an empty basket, or with one that was put aside. */
  replace(basket = newBasket(this.shop.id)) {
    return this.act({ replaceBasket: { basket } });
  }

  /** Abandon the basket: it is recorded when something was paid, and counted otherwise. */
  async abandon() {
    if (!isEmpty(this.basket)) {
      if (this.basket.payments?.length) await this.#void();
      else record("SALE_ABORTED");
    }
    return this.replace();
  }

  async #void() {
    const kept = recall("void");
    const isSame = JSON.stringify(kept?.basket) === JSON.stringify(this.basket);
    const request = (isSame && kept) || {
      checkoutId: newId(),
      registerId: this.register.id,
      cashierId: this.cashier.id,
      basket: this.basket,
    };
    keep("void", request);
    try {
      await call("CheckoutService/VoidCheckout", request);
      forget("void");
    } catch (error) {
      if (!error.isRetryable) forget("void");
      throw error;
    }
  }
}
