/** Put baskets aside, and take them up again at any till of the shop. */

import { button, el, field, form, redraw, showDialog } from "./dom.js";
import { once } from "./memory.js";
import { complain, notify } from "./notices.js";
import { call, callPages } from "./rpc.js";
import { isEmpty } from "./basket.js";
import { dateTime, t } from "./words.js";

/** Ask for a name, and put the basket aside. */
export function park(till) {
  const name = field(t("park.name"), { autofocus: true, maxlength: 100 });
  showDialog(t("park"), (close) =>
    form(
      async () => {
        try {
          await once("park", (basketId) =>
            call("CheckoutService/SaveBasket", {
              basketId,
              registerId: till.register.id,
              cashierId: till.cashier.id,
              name: name.input.value.trim() || till.basket.customer?.name || t("basket"),
              basket: till.basket,
            }),
          );
        } catch (error) {
          name.complain(error.text);
          return;
        }
        close();
        await till.replace();
        notify(t("park.done"));
      },
      name.box,
      el("div", { class: "actions" }, el("button", { class: "primary" }, t("park"))),
    ),
  );
}

/** Show the baskets that were put aside in the shop. */
export async function showParked(till) {
  const list = el("ul", { class: "picks" }, el("li", { class: "empty" }, t("wait")));
  const close = showDialog(t("parked"), () => list);
  try {
    const shopId = till.shop.id;
    const baskets = await callPages("CheckoutService/ListBaskets", "savedBaskets", { shopId });
    redraw(
      list,
      baskets.map((saved) =>
        el(
          "li",
          {},
          button(
            [
              el("strong", {}, saved.name),
              el(
                "span",
                { class: "quiet" },
                t("parked.lines", { count: saved.basket.lineItems?.length ?? 0 }),
                ` · ${dateTime(saved.saveTime)}`,
              ),
            ],
            () => fetchBasket(till, saved, close),
            { class: "pick" },
          ),
        ),
      ),
      !baskets.length && el("li", { class: "empty" }, t("parked.none")),
    );
  } catch (error) {
    redraw(list, el("li", { class: "error", role: "alert" }, error.text));
  }
}

async function fetchBasket(till, saved, close) {
  if (!isEmpty(till.basket)) {
    complain({ text: t("parked.busy") });
    return;
  }
  try {
    // Whoever deletes it has it: two tills cannot take up one basket.
    const { basketId, revision } = saved;
    await call("CheckoutService/DeleteBasket", { basketId, revision });
  } catch (error) {
    complain(error);
    return;
  }
  close();
  await till.replace({ lineItems: [], ...saved.basket });
}
