/** Give quotes, agreed prices that hold, and collect them at any till of the shop. */

import { newBasket } from "./basket.js";
import { button, el, field, form, redraw, showDialog } from "./dom.js";
import { once } from "./memory.js";
import { money } from "./money.js";
import { complain, notify } from "./notices.js";
import { call, callPages } from "./rpc.js";
import { dateTime, t } from "./words.js";

const OPEN = "SALES_QUOTE_STATE_CREATED";
const DAY_MS = 24 * 3600 * 1000;
const DAYS = 30;

/** Show the quotes of the shop that can be collected, and offer to make one of the basket. */
export async function showQuotes(till) {
  const list = el("ul", { class: "picks" }, el("li", { class: "empty" }, t("wait")));
  const close = showDialog(t("quotes"), () => [
    canQuote(till) &&
      el(
        "div",
        { class: "actions" },
        button(
          t("quote.give"),
          () => {
            close();
            giveQuote(till);
          },
          { class: "primary", id: "give-quote" },
        ),
      ),
    list,
  ]);
  try {
    const request = { shopId: till.shop.id, state: OPEN };
    const quotes = await callPages("CheckoutService/ListQuotes", "salesQuotes", request);
    redraw(
      list,
      quotes.map((quote) => el("li", {}, pick(till, quote, close))),
      !quotes.length && el("li", { class: "empty" }, t("quotes.none")),
    );
  } catch (error) {
    redraw(list, el("li", { class: "error", role: "alert" }, error.text));
  }
}

function canQuote({ basket }) {
  return (
    basket.lineItems.length > 0 &&
    !basket.payments?.length &&
    !basket.returns?.length &&
    !basket.quotes?.length
  );
}

function pick(till, quote, close) {
  const words = [quote.summary?.comment, quote.summary?.customer?.identifier];
  return button(
    [
      el(
        "strong",
        {},
        words.filter(Boolean).join(" · ") || t("quote.of", { id: quote.quoteId.slice(0, 8) }),
      ),
      el(
        "span",
        { class: "quiet" },
        `${money(quote.summary?.totalMicros, quote.currencyCode)} · ${dateTime(quote.createTime)}`,
      ),
    ],
    async () => {
      try {
        await till.collect(quote.quote);
        close();
      } catch (error) {
        complain(error);
      }
    },
    { class: "pick", "data-quote": quote.quoteId },
  );
}

/** Ask for a remark, and keep the basket's prices as a quote. */
function giveQuote(till) {
  const comment = field(t("quote.comment"), { maxlength: 1000, autofocus: true });
  const days = field(t("quote.days"), { type: "number", min: "1", max: "3650", value: String(DAYS) });
  showDialog(t("quote.give"), (close) =>
    form(
      async () => {
        const count = Number(days.input.value);
        if (!Number.isInteger(count) || count < 1) {
          days.complain(t("number.expected"));
          return;
        }
        try {
          await once("quote", (quoteId) =>
            call("CheckoutService/CreateQuote", {
              quoteId,
              registerId: till.register.id,
              cashierId: till.cashier.id,
              basket: { ...till.basket, explain: false },
              expireTime: new Date(Date.now() + count * DAY_MS).toISOString(),
              expectedTotalMicros: till.evaluated.totalMicros ?? "0",
              comment: comment.input.value.trim() || undefined,
            }),
          );
        } catch (error) {
          comment.complain(error.text);
          return;
        }
        close();
        await till.replace(newBasket(till.shop.id));
        notify(t("quote.done"));
      },
      el("p", { class: "quiet" }, t("quote.explain")),
      comment.box,
      days.box,
      el("div", { class: "actions" }, el("button", { class: "primary" }, t("quote.give"))),
    ),
  );
}
