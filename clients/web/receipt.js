/** Show receipts and Z reports as the server renders them, and offer them as PDF. */

import { button, el, showDialog } from "./dom.js";
import { micros, money } from "./money.js";
import { complain } from "./notices.js";
import { call } from "./rpc.js";
import { language, t } from "./words.js";

const HTML = "REPORT_FORMAT_HTML";
const PDF = "REPORT_FORMAT_PDF";

/** Return a frame with a page of the server: it runs nothing and sees nothing of this page. */
function frame(title, report) {
  const page = new TextDecoder().decode(bytesOf(report.content));
  return el("iframe", { title, sandbox: true, srcdoc: page, class: "report" });
}

function bytesOf(content) {
  return Uint8Array.from(atob(content), (character) => character.charCodeAt(0));
}

async function download(method, request) {
  try {
    const { report } = await call(method, { ...request, format: PDF, language: language() });
    const url = URL.createObjectURL(
      new Blob([bytesOf(report.content)], { type: "application/pdf" }),
    );
    el("a", { href: url, download: report.fileName }).click();
    setTimeout(() => URL.revokeObjectURL(url), 60_000);
  } catch (error) {
    complain(error);
  }
}

/** Return a place in which a rendered document appears. */
function rendered(title, method, request) {
  const place = el("div", { class: "report-place" }, el("p", { class: "quiet" }, t("wait")));
  call(method, { ...request, format: HTML, language: language() }).then(
    ({ report }) => place.replaceChildren(frame(title, report)),
    (error) => place.replaceChildren(el("p", { class: "error", role: "alert" }, error.text)),
  );
  return place;
}

/** Show what was sold: the change, and the receipt of each sale of the checkout. */
export function showCheckout(checkout, onclose) {
  const currency = checkout.baseCurrencyCode;
  const back = (checkout.payments ?? []).filter((each) => each.paymentType === "cash.cashback");
  const sales = checkout.sales ?? [];
  const title = t("receipt.done", {
    number: sales.map((each) => each.sequenceNumber).join(", "),
  });
  showDialog(
    title,
    (close) => [
      back.map((payment) =>
        el(
          "p",
          { class: "change", role: "status" },
          el("span", {}, t("change")),
          el("strong", { id: "change" }, money(-micros(payment.amountMicros), currency)),
        ),
      ),
      sales.map((sale) => receipt(sale.identifier)),
      el(
        "div",
        { class: "actions" },
        sales.map((sale) => pdfButton(sale.identifier)),
        button(t("receipt.next"), close, {
          class: "primary",
          autofocus: true,
          id: "next-sale",
        }),
      ),
    ],
    { name: "wide", onclose },
  );
}

/** Return the receipt of a sale. */
export function receipt(saleId) {
  return rendered(t("receipt"), "CheckoutService/RenderReceipt", { saleId });
}

/** Return a button that fetches the receipt of a sale as PDF. */
export function pdfButton(saleId) {
  return button(t("pdf"), () => download("CheckoutService/RenderReceipt", { saleId }));
}

/**
 * Show the X report that a request makes.
 *
 * @throws {RpcError} It could not be made.
 */
export async function showTotals(request) {
  const method = "RegisterService/RenderRegisterTotals";
  const { report } = await call(method, { ...request, format: HTML, language: language() });
  showDialog(
    t("x"),
    (close) => [
      el("div", { class: "report-place" }, frame(t("x"), report)),
      el(
        "div",
        { class: "actions" },
        // The same id: it is the same report, and not counted again.
        button(t("pdf"), () => download(method, request)),
        button(t("close"), close, { class: "primary", autofocus: true }),
      ),
    ],
    { name: "wide" },
  );
}

/** Show the Z report of a close. */
export function showClose(registerId, sequenceNumber, differences, onclose) {
  const method = "RegisterService/RenderRegisterClose";
  const request = { registerId, sequenceNumber };
  showDialog(
    t("z.done", { number: sequenceNumber }),
    (close) => [
      differences,
      rendered(t("z"), method, request),
      el(
        "div",
        { class: "actions" },
        button(t("pdf"), () => download(method, request)),
        button(t("close"), close, { class: "primary", autofocus: true }),
      ),
    ],
    { name: "wide", onclose },
  );
}
