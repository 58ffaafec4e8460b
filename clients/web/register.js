/** Choose the register and the cashier, and open the register with the cash in its drawer. */

import { el, field, form } from "./dom.js";
import { keep, once, recall } from "./memory.js";
import { parsed } from "./money.js";
import { call, callPages } from "./rpc.js";
import { t } from "./words.js";

const PLACE = "place";

/** Read the registers, shops, markets, cashiers and payment types of the account. */
export async function readPlaces() {
  const [registers, shops, markets, cashiers, paymentTypes, purchaseTypes] = await Promise.all([
    callPages("AdminService/ListRegisters", "registers"),
    callPages("AdminService/ListShops", "shops"),
    callPages("AdminService/ListMarkets", "markets"),
    callPages("AdminService/ListCashiers", "cashiers"),
    callPages("AdminService/ListPaymentTypes", "paymentTypes"),
    callPages("AdminService/ListPurchaseTypes", "purchaseTypes"),
  ]);
  return {
    registers,
    shops,
    markets: markets.map((each) => each.market),
    cashiers,
    paymentTypes,
    purchaseTypes: purchaseTypes.map((each) => each.purchaseType),
  };
}

/** Return where this till was last time, null when that is not known or not there any more. */
export function rememberedPlace(places) {
  const { registerId, cashierId } = recall(PLACE, {});
  return placeOf(places, registerId, cashierId);
}

function placeOf({ registers, shops, markets, cashiers }, registerId, cashierId) {
  const register = registers.find((each) => each.id === registerId);
  const cashier = cashiers.find((each) => each.id === cashierId);
  const shop = shops.find((each) => each.id === register?.shopId);
  const market = markets.find((each) => each.id === shop?.marketId);
  return register && cashier && market ? { register, cashier, shop, market } : null;
}

/** Return the form that asks where this till is and who sells; `done` gets the place. */
export function placeForm(places, done) {
  const remembered = recall(PLACE, {});
  const select = (label, entries, value) =>
    field(label, {
      options: entries.map((each) => [each.id, each.name || each.fullName || each.id]),
      value,
    });
  const register = select(t("register"), places.registers, remembered.registerId);
  const cashier = select(t("cashier"), places.cashiers, remembered.cashierId);
  register.input.setAttribute("autofocus", "");
  return form(
    async () => {
      const place = placeOf(places, register.input.value, cashier.input.value);
      if (!place) {
        register.complain(t("place.none"));
        return;
      }
      keep(PLACE, { registerId: place.register.id, cashierId: place.cashier.id });
      await done(place);
    },
    el("h1", {}, t("place.title")),
    el("p", { class: "quiet" }, t("place.explain")),
    register.box,
    cashier.box,
    el("div", { class: "actions" }, el("button", { class: "primary" }, t("continue"))),
  );
}

/** Return whether a register is open. */
export async function isOpen(registerId) {
  try {
    await call("RegisterService/GetRegisterTotals", { registerId });
    return true;
  } catch (error) {
    if (error.reasons?.includes("REGISTER_CLOSED") || error.code === "failed_precondition")
      return false;
    throw error;
  }
}

/** Return the form that opens a register; `done` is called once it is open. */
export function openForm(place, { done, other }) {
  const cash = field(t("open.cash", { currency: place.market.currencyCode }), {
    inputmode: "decimal",
    value: "0",
    id: "opening-cash",
    autofocus: true,
    onfocus: (event) => event.target.select(),
  });
  const comment = field(t("open.comment"), { maxlength: 1000 });
  return form(
    async () => {
      const value = parsed(cash.input.value);
      if (value === null || value < 0n) {
        cash.complain(t("number.expected"));
        return;
      }
      try {
        await once("open", (openId) =>
          call("RegisterService/OpenRegister", {
            openId,
            registerId: place.register.id,
            cashierId: place.cashier.id,
            cashTotalAtOpenMicros: String(value),
            openedTime: new Date().toISOString(),
            comment: comment.input.value.trim() || undefined,
          }),
        );
      } catch (error) {
        cash.complain(error.text);
        return;
      }
      await done();
    },
    el("h1", {}, t("open.title", { name: place.register.name || place.register.id })),
    el(
      "p",
      { class: "quiet" },
      t("open.explain", { name: place.cashier.fullName || place.cashier.id }),
    ),
    cash.box,
    comment.box,
    el(
      "div",
      { class: "actions" },
      el("button", { class: "primary", id: "open-register" }, t("open")),
      other,
    ),
  );
}

/** Return the form that asks for the key of this till. */
export function keyForm(done) {
  const key = field(t("key"), { type: "password", autofocus: true });
  return form(
    async () => {
      keep("key", key.input.value.trim());
      await done();
    },
    el("h1", {}, t("key.title")),
    el("p", { class: "quiet" }, t("key.explain")),
    key.box,
    el("div", { class: "actions" }, el("button", { class: "primary" }, t("continue"))),
  );
}
