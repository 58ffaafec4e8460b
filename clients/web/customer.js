/** The customer's screen: what is in the basket, what it costs, thank you, and the newsletter. */

import { el, field, form, redraw } from "./dom.js";
import { once, recall } from "./memory.js";
import { amount, micros, money, quantity, tendered } from "./money.js";
import { call } from "./rpc.js";
import { hear } from "./screen.js";
import { localized, setLanguage, t } from "./words.js";

const main = document.getElementById("main");
let shown = "";

function show(message) {
  if (message.language) setLanguage(message.language);
  document.documentElement.lang = message.language ?? "en";
  document.title = t("screen.title");
  if (message.kind === "basket") showBasket(message);
  else if (message.kind === "thanks") showThanks(message.checkout);
  else if (shown !== "thanks") showWelcome();
  shown = message.kind === "idle" && shown === "thanks" ? "thanks" : message.kind;
}

function showWelcome() {
  redraw(
    main,
    el("section", { class: "welcome" }, el("h1", {}, t("screen.welcome")), newsletter()),
  );
}

// --- the basket ----------------------------------------------------------------------------------

function showBasket({ evaluated, payments }) {
  const currency = evaluated.currencyCode;
  const due = micros(evaluated.payment?.dueMicros);
  const discounts = micros(evaluated.totalDiscountsMicros);
  const row = (words, value, name = "") => [
    el("dt", { class: name }, words),
    el("dd", { class: name }, value),
  ];
  redraw(
    main,
    el("h1", { class: "hidden" }, t("basket")),
    el(
      "ol",
      { class: "lines" },
      (evaluated.lineItems ?? []).map((line) => lineRow(line, currency)),
    ),
    el(
      "dl",
      { class: "sums", "aria-live": "polite" },
      discounts !== 0n && row(t("screen.saved"), amount(discounts, currency), "saved"),
      row(
        t("total"),
        el("span", { id: "screen-total" }, money(evaluated.totalMicros, currency)),
        "grand",
      ),
      payments.map((payment) => row(payment.name, tendered(payment, currency))),
      payments.length > 0 && row(t("due"), money(due, currency), "due"),
    ),
  );
  main.querySelector(".line:last-child")?.scrollIntoView({ block: "nearest" });
}

function lineRow(line, currency) {
  const size = micros(line.quantityMicros);
  const measure = line.unitCountMicros
    ? `${quantity(line.unitCountMicros)} ${line.unit.split("/")[1]}`
    : quantity(size);
  return el(
    "li",
    { class: "line" },
    el(
      "div",
      { class: "line-main" },
      el("span", { class: "line-name" }, `${measure} × ${localized(line.name) || line.id}`),
      el("span", { class: "line-total" }, amount(line.totalMicros, currency)),
    ),
    (line.discounts ?? []).map((discount) =>
      el(
        "div",
        { class: "line-discount" },
        el("span", {}, localized(discount.name) || t("discount.sale")),
        el("span", {}, amount(-micros(discount.amountMicros), currency)),
      ),
    ),
  );
}

// --- thank you, newsletter -----------------------------------------------------------------------

function showThanks(checkout) {
  const back = (checkout.payments ?? []).find((each) => each.paymentType === "cash.cashback");
  if (shown === "thanks") return;
  redraw(
    main,
    el(
      "section",
      { class: "welcome" },
      el("h1", {}, t("screen.thanks")),
      back &&
        el(
          "p",
          { class: "change" },
          t("change"),
          " ",
          el("strong", {}, money(-micros(back.amountMicros), checkout.baseCurrencyCode)),
        ),
      newsletter(),
    ),
  );
}

function newsletter() {
  const email = field(t("newsletter.email"), {
    type: "email",
    name: "email",
    required: true,
    maxlength: 254,
    inputmode: "email",
    autocomplete: "off",
  });
  const done = el("p", { class: "good", role: "status" });
  const element = form(
    async () => {
      const value = email.input.value.trim();
      email.input.value = value;
      if (!email.input.validity.valid) {
        email.complain(t("newsletter.bad"));
        return;
      }
      const { registerId } = recall("place", {});
      try {
        await once(`newsletter.${value}`, (signupId) =>
          call("CheckoutService/SignUpForNewsletter", {
            signupId,
            registerId,
            email: value,
          }),
        );
      } catch (error) {
        email.complain(error.text);
        return;
      }
      email.complain();
      email.input.value = "";
      done.textContent = t("newsletter.done");
    },
    el("h2", {}, t("newsletter")),
    el(
      "div",
      { class: "row" },
      email.box,
      el("button", { class: "primary" }, t("newsletter.join")),
    ),
    done,
  );
  element.classList.add("newsletter");
  return element;
}

setLanguage(recall("language") ?? (navigator.language.startsWith("da") ? "da" : "en"));
showWelcome();
hear(show);
