// Ask for the ids of an account, and show the call that they make.

import { LANGUAGES, entry, filled } from "./examples.js";

const find = (id) => document.getElementById(id);
const programs = new Map();
let key = "";

async function got(path) {
  const headers = key === "" ? {} : { authorization: `Bearer ${key}` };
  const response = await fetch(path, { headers, cache: "no-store", credentials: "omit" });
  const answer = await response.json();
  if (!response.ok) throw new Error(answer.error.message);
  return answer.rows;
}

function option(value, text) {
  const made = document.createElement("option");
  made.value = value;
  made.textContent = text;
  return made;
}

function choose(id, rows, name = "name") {
  const options = rows.map((row) => option(row.id, row[name] ? `${row[name]} (${row.id})` : row.id));
  find(id).replaceChildren(...options);
}

function say(text) {
  find("message").textContent = text;
}

async function guarded(work) {
  say("");
  try {
    await work();
  } catch (error) {
    say(error.message);
  }
}

async function showIds() {
  const lists = ["shops", "payment-methods", "delivery-methods", "users", "departments"];
  const [shops, payments, deliveries, users, departments] = await Promise.all(
    lists.map((name) => got(`/web-services/${name}`)),
  );
  choose("shop", shops);
  choose("payment", payments);
  choose("delivery", deliveries, "purchase_type");
  choose("user", users);
  find("payment").value = payments.some((row) => row.id === "cash") ? "cash" : payments[0].id;
  find("department-list").replaceChildren(
    ...departments.map((row) => {
      const item = document.createElement("li");
      item.textContent = `${row.id}: ${row.name}`;
      return item;
    }),
  );
  find("departments").hidden = departments.length === 0;
  for (const id of ["call", "examples"]) find(id).hidden = false;
  find("request").value = `order-${Date.now()}`;
  await showShop();
}

async function showShop() {
  const shop = find("shop").value;
  const query = new URLSearchParams({ shop });
  const [items, registers] = await Promise.all([
    got(`/web-services/items?${query}`),
    got("/web-services/registers"),
  ]);
  find("items").replaceChildren(...items.map((row) => option(row.id, row.name)));
  find("item").value = items.length === 0 ? "" : items[0].id;
  const own = registers.filter((row) => row.shop === shop);
  find("register").replaceChildren(
    ...own.map((row) => option(row.id, `${row.name || row.id} (${row.id}, ${row.state})`)),
  );
  const open = own.find((row) => row.state === "open");
  if (open === undefined) say("No register of this shop is open.");
  else find("register").value = open.id;
  await showProgram();
}

function call(shownKey) {
  return {
    address: location.origin,
    key: shownKey,
    shop: find("shop").value,
    register: find("register").value,
    user: find("user").value,
    payment: find("payment").value,
    delivery: find("delivery").value,
    entry: entry(find("item").value, find("quantity").value, find("title").value),
    request: find("request").value,
  };
}

async function showProgram() {
  const name = find("language").value;
  if (!programs.has(name)) {
    const response = await fetch(`/web-services/examples/${name}`);
    programs.set(name, await response.text());
  }
  const shownKey = find("with-key").checked ? key : "YOUR_KEY";
  find("program").textContent = filled(programs.get(name), call(shownKey));
}

async function recordSale() {
  const made = call("");
  const body = new URLSearchParams({
    idboutique: made.shop,
    idcaisse: made.register,
    idUser: made.user,
    payment: made.payment,
    deliveryMethod: made.delivery,
    "itemsList[]": made.entry,
    requestID: made.request,
  });
  const headers = key === "" ? {} : { authorization: `Bearer ${key}` };
  const response = await fetch("/web-services/sales", { method: "POST", headers, body });
  find("answer-text").textContent = JSON.stringify(await response.json(), null, 2);
  find("answer").hidden = false;
}

find("language").replaceChildren(...LANGUAGES.map(([name, text]) => option(name, text)));
find("sign-in").addEventListener("submit", (event) => {
  event.preventDefault();
  key = find("key").value.trim();
  find("key").value = "";
  guarded(showIds);
});
find("call").addEventListener("submit", (event) => {
  event.preventDefault();
  guarded(recordSale);
});
find("shop").addEventListener("change", () => guarded(showShop));
find("call").addEventListener("input", () => guarded(showProgram));
find("examples").addEventListener("change", () => guarded(showProgram));
