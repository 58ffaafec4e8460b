/** Start the till, and put its parts together. */

import { BasketPanel } from "./basket_panel.js";
import { isEmpty } from "./basket.js";
import { readCatalogue } from "./catalogue.js";
import { finish, pendingCheckout } from "./checkout.js";
import { chooseLine } from "./choice.js";
import { addCoupon, chooseCustomer } from "./customer_dialog.js";
import { button, el, redraw, showDialog } from "./dom.js";
import { record, recordFor } from "./events.js";
import { payExpense } from "./expenses.js";
import { ProductGrid } from "./grid.js";
import { addDiscount, editLine } from "./line_dialog.js";
import { keep, recall } from "./memory.js";
import { complain, notify, showTrouble } from "./notices.js";
import { park, showParked } from "./parked.js";
import { showQuotes } from "./quotes.js";
import { takePayment } from "./payment_dialog.js";
import { showCheckout } from "./receipt.js";
import { isOpen, keyForm, openForm, placeForm, readPlaces, rememberedPlace } from "./register.js";
import { showReports } from "./reports.js";
import { showSales } from "./returns.js";
import { listen } from "./scanner.js";
import { ScreenLine } from "./screen.js";
import { Till } from "./till.js";
import { LANGUAGES, language, setLanguage, setTimeZone, t } from "./words.js";

const RETRY_MS = 1_000;
const main = document.getElementById("main");
const bar = document.getElementById("bar");
const screen = new ScreenLine();

/** What is open at present: the till and its parts; null while no register is. */
let current = null;

/** Do something that needs the server, again and again until it is there. */
async function reaching(work) {
  for (;;) {
    try {
      const found = await work();
      showTrouble("");
      return found;
    } catch (error) {
      if (!error.isAway && error.code !== "unavailable") throw error;
      showTrouble(t("server.away"));
      await new Promise((resolve) => setTimeout(resolve, RETRY_MS));
    }
  }
}

/** Show a form in the middle of the page. */
function showForm(form) {
  main.className = "middle";
  main.replaceChildren(el("div", { class: "card" }, form));
  main.querySelector("[autofocus]")?.focus();
}

/** Leave the register, which goes on where it was when somebody comes back to it. */
function leave() {
  current?.till.stop();
  current = null;
  showTrouble("");
}

async function begin() {
  leave();
  document.title = t("title");
  document.documentElement.lang = language();
  drawBar(null);
  let places;
  try {
    places = await reaching(readPlaces);
  } catch (error) {
    if (error.code !== "unauthenticated" && error.code !== "permission_denied") throw error;
    if (recall("key")) complain(error);
    showForm(keyForm(begin));
    return;
  }
  const place = rememberedPlace(places);
  if (place) await openTill(places, place);
  else choosePlace(places);
}

function choosePlace(places) {
  leave();
  drawBar(null);
  showForm(placeForm(places, (place) => openTill(places, place)));
}

async function openTill(places, place) {
  record("CASHIER_SELECTED");
  const pending = pendingCheckout();
  if (pending) await finishPending(pending);
  if (await reaching(() => isOpen(place.register.id))) {
    await sell(places, place);
    return;
  }
  const other = button(t("place.other"), () => choosePlace(places));
  showForm(openForm(place, { done: () => sell(places, place), other }));
}

/** Finish the sale that was under way when the page was left. */
async function finishPending(pending) {
  showForm(el("p", { class: "busy", role: "status" }, t("pay.recording")));
  try {
    const checkout = await finish(pending, (error) =>
      showTrouble(`${error.text} ${t("pay.again")}`),
    );
    showTrouble("");
    keep(`basket.${pending.registerId}`, null);
    await new Promise((resolve) => showCheckout(checkout, resolve));
  } catch (error) {
    complain(error);
  }
}

// --- selling -------------------------------------------------------------------------------------

async function sell(places, place) {
  const catalogue = await reaching(() => readCatalogue(place.market.id, place.shop.id));
  const currency = place.market.currencyCode;
  setTimeZone(place.market.timezone);
  const parts = {};
  const till = new Till(place, {
    catalogue,
    paymentTypes: places.paymentTypes,
    purchaseTypes: places.purchaseTypes,
    onChange: () => {
      parts.panel.draw();
      drawBasketButton(till);
      showOnScreen(till);
    },
    onState: (state) =>
      showTrouble({ live: "", single: t("server.single"), away: t("server.away") }[state]),
  });
  const add = (product, variant) =>
    chooseLine({ product, variant, catalogue, currency, add: (line) => till.add(line) });
  parts.grid = new ProductGrid(catalogue, currency, {
    choose: add,
    enter: (words) => addByCode(catalogue, words, add, { isSilent: true }),
  });
  parts.panel = new BasketPanel(till, commands(till));
  main.className = "sell";
  main.replaceChildren(
    el("section", { class: "products", "aria-label": t("products") }, parts.grid.elements),
    el(
      "section",
      { class: "basket", "aria-label": t("basket"), id: "basket" },
      parts.panel.elements,
    ),
    basketButton(),
  );
  parts.panel.draw();
  drawBar({ places, till });
  current = {
    places,
    till,
    grid: parts.grid,
    scan: (code) => addByCode(catalogue, code, add, {}),
  };
  recordFor(place.register.id);
  till.start();
}

function addByCode(catalogue, code, add, { isSilent = false }) {
  const found = catalogue.find(code);
  if (found) {
    add(found.product, found.variant);
    return true;
  }
  if (!isSilent) notify(t("scan.unknown", { code }), { isError: true });
  return false;
}

function commands(till) {
  return {
    editLine: (line) => editLine(till, line),
    discount: () => addDiscount(till),
    customer: () => chooseCustomer(till),
    coupon: () => addCoupon(till),
    park: () => park(till),
    clear: () => askVoid(till),
    pay: () => takePayment(till, (checkout) => sold(till, checkout)),
  };
}

async function sold(till, checkout) {
  screen.show({ kind: "thanks", checkout, language: language() });
  showCheckout(checkout, () => document.querySelector("#search")?.focus());
  await till.replace();
  screen.show({ kind: "thanks", checkout, language: language() });
}

function askVoid(till) {
  showDialog(t("void.title"), (close) => [
    el("p", {}, till.basket.payments?.length ? t("void.paid") : t("void.unpaid")),
    el(
      "div",
      { class: "actions" },
      button(
        t("void"),
        async () => {
          close();
          try {
            await till.abandon();
          } catch (error) {
            complain(error);
          }
        },
        { class: "danger", autofocus: true },
      ),
      button(t("void.not"), close),
    ),
  ]);
}

function showOnScreen(till) {
  if (isEmpty(till.basket)) {
    screen.show({ kind: "idle", language: language() });
    return;
  }
  const { evaluated, basket } = till;
  screen.show({
    kind: "basket",
    language: language(),
    evaluated: { ...evaluated, explanations: undefined },
    payments: (basket.payments ?? []).map((each) => ({
      name: till.paymentName(each.paymentType),
      amountMicros: each.amountMicros,
      foreignCurrency: each.foreignCurrency,
      foreignCurrencyAmountMicros: each.foreignCurrencyAmountMicros,
    })),
  });
}

// --- the bar -------------------------------------------------------------------------------------

function basketButton() {
  const toggle = () => {
    main.classList.toggle("show-basket");
    drawBasketButton(current.till);
  };
  return button("", toggle, { id: "show-basket", class: "primary", "aria-controls": "basket" });
}

function drawBasketButton(till) {
  const count = till.evaluated.lineItems?.length ?? 0;
  const isShown = main.classList.contains("show-basket");
  document.getElementById("show-basket").textContent = isShown
    ? t("products")
    : t("basket.show", { count, total: document.getElementById("pay-total").textContent });
}

function drawBar(selling) {
  const languages = el(
    "select",
    {
      "aria-label": t("language"),
      id: "language",
      onchange: (event) => changeLanguage(event.target.value),
    },
    Object.entries(LANGUAGES).map(([code, name]) =>
      el("option", { value: code, selected: code === language() }, name),
    ),
  );
  const { till, places } = selling ?? {};
  redraw(
    bar,
    el("span", { class: "brand" }, "Tillcore"),
    till && el("span", { class: "where" }, whereWords(till)),
    el(
      "nav",
      { "aria-label": t("menu") },
      till && [
        button(t("sales"), () => showSales(till), { "data-key": "sales" }),
        button(t("parked"), () => showParked(till), { "data-key": "parked" }),
        button(t("quotes"), () => showQuotes(till), { "data-key": "quotes" }),
        button(t("expense"), () => payExpense(till), { "data-key": "expense" }),
        button(t("reports"), () => showReports(till, () => begin()), {
          "data-key": "reports",
        }),
        button(t("screen"), () => window.open("customer.html", "tillcore-customer"), {
          "data-key": "screen",
        }),
        button(t("place.change"), () => choosePlace(places), { "data-key": "place" }),
      ],
      languages,
    ),
  );
}

function whereWords({ register, cashier }) {
  return `${register.name || register.id} · ${cashier.fullName || cashier.id}`;
}

function changeLanguage(code) {
  keep("language", code);
  setLanguage(code);
  begin().catch(complain);
}

// --- the keyboard --------------------------------------------------------------------------------

const KEYS = { F4: "customer", F8: "park", F9: "pay" };

document.addEventListener("keydown", (event) => {
  if (!current || document.querySelector("dialog[open]")) return;
  const isField = event.target.closest?.("input, select, textarea");
  if (event.key === "/" && !isField) {
    event.preventDefault();
    current.grid.focus();
  }
  const key = KEYS[event.key];
  if (key) {
    event.preventDefault();
    document.querySelector(`.basket [data-key="${key}"]:not(:disabled)`)?.click();
  }
});

addEventListener("unhandledrejection", ({ reason }) => {
  if (reason?.text) complain(reason);
});

listen((code) => {
  if (!document.querySelector("dialog[open]")) current?.scan(code);
});

setLanguage(recall("language") ?? (navigator.language.startsWith("da") ? "da" : "en"));
record("APP_LAUNCH");
begin().catch(complain);
