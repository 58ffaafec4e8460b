/** Take goods back: find the sale, choose its lines, and put what comes back into the basket. */

import { setting } from "./basket.js";
import { button, el, field, form, redraw, showDialog } from "./dom.js";
import { record } from "./events.js";
import { decimal, micros, money, parsed, quantity } from "./money.js";
import { pdfButton, receipt } from "./receipt.js";
import { call, callPages } from "./rpc.js";
import { dateTime, localeDecimal, localized, t } from "./words.js";

const SHOWN_MAX = 50;

/** Show the sales of the register, to take goods back or to see a receipt again. */
export async function showSales(till) {
  const list = el("ul", { class: "picks" }, el("li", { class: "empty" }, t("wait")));
  const search = field(t("sales.search"), {
    type: "search",
    autofocus: true,
    oninput: () => draw(),
  });
  let sales = [];
  let close;
  const draw = () => {
    const words = search.input.value.trim();
    const found = sales.filter(
      ({ sale }) => !words || sale.sequenceNumber === words || sale.identifier.startsWith(words),
    );
    redraw(
      list,
      found.slice(0, SHOWN_MAX).map((each) =>
        el(
          "li",
          { class: "sale" },
          saleRow(till, each, () => close()),
        ),
      ),
      !found.length && el("li", { class: "empty" }, t("sales.none")),
    );
  };
  const byId = async () => {
    const saleId = search.input.value.trim();
    try {
      const { recordedSale } = await call("CheckoutService/GetSale", { saleId });
      sales = [recordedSale, ...sales.filter((each) => each.sale.identifier !== saleId)];
      search.complain();
      draw();
    } catch (error) {
      search.complain(error.text);
    }
  };
  close = showDialog(
    t("sales"),
    () => [
      form(async () => {
        const isKnown = list.querySelector(".sale");
        if (search.input.value.trim() && !isKnown) await byId();
      }, search.box),
      list,
    ],
    { name: "wide" },
  );
  try {
    const registerId = till.register.id;
    const found = await callPages("CheckoutService/ListSales", "recordedSales", { registerId });
    sales = found.reverse();
    draw();
  } catch (error) {
    redraw(list, el("li", { class: "error", role: "alert" }, error.text));
  }
}

function saleRow(till, { sale }, close) {
  const number = sale.sequenceNumber;
  const total = money(sale.summary?.totalMicros, sale.baseCurrencyCode);
  return [
    el(
      "span",
      { class: "sale-words" },
      el("strong", {}, `${t("sales.number", { number })} · ${total}`),
      el("span", { class: "quiet" }, saleWords(sale)),
    ),
    button(t("receipt"), () => showReceipt(sale), {
      "aria-label": t("receipt.of", { number }),
    }),
    button(
      t("return"),
      () => {
        close();
        chooseLines(till, sale);
      },
      { class: "primary", "aria-label": t("return.of", { number }) },
    ),
  ];
}

function saleWords(sale) {
  const names = (sale.summary?.lineItems ?? []).map((line) => localized(line.name)).filter(Boolean);
  const time = sale.timing?.timestamp ? `${dateTime(sale.timing.timestamp)} · ` : "";
  return time + names.join(", ");
}

function showReceipt(sale) {
  record("RECEIPT_PRINT_COPY");
  showDialog(
    t("receipt"),
    (close) => [
      receipt(sale.identifier),
      el(
        "div",
        { class: "actions" },
        pdfButton(sale.identifier),
        button(t("close"), close, { class: "primary" }),
      ),
    ],
    { name: "wide" },
  );
}

// --- choosing lines ------------------------------------------------------------------------------

async function chooseLines(till, sale) {
  const place = el("div", {}, el("p", { class: "quiet" }, t("wait")));
  const close = showDialog(t("return.of", { number: sale.sequenceNumber }), () => place, {
    name: "wide",
  });
  const request = { saleId: sale.identifier, registerId: till.register.id };
  try {
    const prepared = await call("CheckoutService/PrepareReturn", request);
    place.replaceChildren(lineForm(till, request, prepared, close));
    place.querySelector("input")?.focus();
  } catch (error) {
    place.replaceChildren(el("p", { class: "error", role: "alert" }, error.text));
  }
}

function lineForm(till, request, { returnedSale, remainders = [] }, close) {
  const lines = (returnedSale?.lineItems ?? []).map(({ lineItem }) => {
    const left = remainders.find((each) => each.lineItemId === lineItem.lineItemId);
    const count = field(
      t("return.line", {
        name: localized(lineItem.name) || lineItem.id,
        left: quantity(left?.leftMicros),
      }),
      { inputmode: "decimal", value: localeDecimal(decimal(micros(left?.leftMicros))) },
    );
    return { id: lineItem.lineItemId, count };
  });
  if (!lines.length) return el("p", { class: "empty" }, t("return.nothing"));
  return form(
    async () => {
      const chosen = readLines(lines);
      if (!chosen) return;
      try {
        const answer = await call("CheckoutService/PrepareReturn", {
          ...request,
          lines: chosen,
        });
        await till.attempt((basket) => setting("returns", withReturn(basket, answer.returnedSale)));
        record("LINE_ITEM_SUMMARIES_ADDED");
        close();
      } catch (error) {
        lines[0].count.complain(error.text);
      }
    },
    lines.map((line) => line.count.box),
    el(
      "div",
      { class: "actions" },
      el("button", { class: "primary", id: "take-back" }, t("return.take")),
    ),
  );
}

/** Return what was chosen of the lines, null when something is wrong or nothing was chosen. */
function readLines(lines) {
  const chosen = [];
  for (const { id, count } of lines) {
    const value = parsed(count.input.value || "0");
    count.complain(value === null || value < 0n ? t("number.expected") : "");
    if (value === null || value < 0n) return null;
    if (value > 0n) chosen.push({ lineItemId: id, quantityMicros: String(value) });
  }
  if (!chosen.length) {
    lines[0].count.complain(t("return.choose"));
    return null;
  }
  return chosen;
}

function withReturn(basket, returned) {
  const others = (basket.returns ?? []).filter(
    (each) => each.returnReference !== returned.returnReference,
  );
  return [...others, returned];
}
