/** The words of the till in every language, and how a language writes things. */

export const LANGUAGES = { en: "English", da: "Dansk" };
const LOCALES = { en: "en-GB", da: "da-DK" };

const WORDS = {
  // --- the page ----------------------------------------------------------------------------
  title: { en: "Till · Tillcore", da: "Kasse · Tillcore" },
  menu: { en: "Menu", da: "Menu" },
  language: { en: "Language", da: "Sprog" },
  close: { en: "Close", da: "Luk" },
  continue: { en: "Continue", da: "Fortsæt" },
  back: { en: "Back", da: "Tilbage" },
  wait: { en: "One moment …", da: "Et øjeblik …" },
  apply: { en: "Apply", da: "Anvend" },
  add: { en: "Add", da: "Tilføj" },
  total: { en: "Total", da: "Total" },
  "total.live": { en: "Total {total}", da: "Total {total}" },
  due: { en: "To pay", da: "At betale" },
  "due.back": { en: "To pay back", da: "At betale tilbage" },
  quantity: { en: "Quantity", da: "Antal" },
  measure: { en: "Measure", da: "Mål" },
  "measure.mass": { en: "Weight", da: "Vægt" },
  "measure.volume": { en: "Volume", da: "Rumfang" },
  "measure.length": { en: "Length", da: "Længde" },
  "measure.area": { en: "Area", da: "Areal" },
  "number.expected": { en: "Enter a number.", da: "Skriv et tal." },
  "server.away": {
    en: "The server does not answer. Trying again …",
    da: "Serveren svarer ikke. Prøver igen …",
  },
  "server.single": {
    en: "The live connection is away: each change is asked on its own. Reconnecting …",
    da: "Forbindelsen er væk: hver ændring spørges for sig. Forbinder igen …",
  },
  "server.key": { en: "The key is missing or wrong.", da: "Nøglen mangler eller er forkert." },

  // --- register ----------------------------------------------------------------------------
  key: { en: "Key", da: "Nøgle" },
  "key.title": { en: "Sign this till in", da: "Log kassen ind" },
  "key.explain": {
    en: "Enter a key of the account with the scope register. This browser keeps it.",
    da: "Skriv en nøgle til kontoen med rettigheden register. Browseren husker den.",
  },
  register: { en: "Register", da: "Kasse" },
  cashier: { en: "Cashier", da: "Ekspedient" },
  "place.title": { en: "Where is this till?", da: "Hvor står kassen?" },
  "place.explain": { en: "The browser remembers it.", da: "Browseren husker det." },
  "place.none": { en: "Choose a register and a cashier.", da: "Vælg en kasse og en ekspedient." },
  "place.other": { en: "Another register", da: "En anden kasse" },
  "place.change": { en: "Register", da: "Kasse" },
  open: { en: "Open the register", da: "Åbn kassen" },
  "open.title": { en: "{name} is closed", da: "{name} er lukket" },
  "open.explain": {
    en: "Count the cash in the drawer, {name}.",
    da: "Tæl kontanterne i skuffen, {name}.",
  },
  "open.cash": { en: "Cash in the drawer ({currency})", da: "Kontanter i skuffen ({currency})" },
  "open.comment": { en: "Remark, if it differs", da: "Bemærkning, hvis det ikke passer" },

  // --- products ----------------------------------------------------------------------------
  products: { en: "Products", da: "Varer" },
  folders: { en: "Folders", da: "Mapper" },
  everything: { en: "All", da: "Alle" },
  search: { en: "Search products", da: "Søg varer" },
  "search.hint": {
    en: "Search, or scan a bar code  ( / )",
    da: "Søg, eller scan en stregkode  ( / )",
  },
  "search.nothing": { en: "Nothing found.", da: "Intet fundet." },
  "search.more": {
    en: "{count} more: search to find them.",
    da: "{count} flere: søg efter dem.",
  },
  "scan.unknown": { en: "No product has the code {code}.", da: "Ingen vare har koden {code}." },
  "priced.open": { en: "Enter price", da: "Indtast pris" },
  "priced.measure": { en: "By measure", da: "Efter mål" },
  price: { en: "Price", da: "Pris" },
  "price.per": { en: "{price} per {count} {unit}", da: "{price} pr. {count} {unit}" },
  "variant.choose": { en: "Choose one of each.", da: "Vælg en af hver." },
  "variant.none": { en: "Not sold in this combination.", da: "Sælges ikke i den kombination." },

  // --- basket ------------------------------------------------------------------------------
  basket: { en: "Basket", da: "Kurv" },
  "basket.empty": { en: "The basket is empty.", da: "Kurven er tom." },
  "basket.show": { en: "Basket ({count}) · {total}", da: "Kurv ({count}) · {total}" },
  "line.edit": { en: "Change {name}", da: "Ret {name}" },
  "line.remove": { en: "Remove {name}", da: "Fjern {name}" },
  "line.less": { en: "Less {name}", da: "Færre {name}" },
  "line.more": { en: "More {name}", da: "Flere {name}" },
  "line.before": { en: "before {amount}", da: "før {amount}" },
  "line.returned": { en: "Returned: {count}", da: "Retur: {count}" },
  comment: { en: "Remark", da: "Bemærkning" },
  discount: { en: "Discount", da: "Rabat" },
  discounts: { en: "Discounts", da: "Rabatter" },
  "discount.basket": { en: "Discount of the basket", da: "Rabat på kurven" },
  "discount.manual": { en: "Discount", da: "Rabat" },
  "discount.sale": { en: "Sale price", da: "Tilbudspris" },
  "discount.kind": { en: "Kind", da: "Slags" },
  "discount.size": { en: "Size", da: "Størrelse" },
  "discount.name": { en: "Reason", da: "Grund" },
  "discount.percentage": { en: "Percent", da: "Procent" },
  "discount.amount": { en: "Amount off", da: "Beløb af" },
  "discount.newPrice": { en: "New price", da: "Ny pris" },
  "discount.remove": { en: "Remove {name}", da: "Fjern {name}" },
  "customer.choose": { en: "Customer", da: "Kunde" },
  "customer.search": {
    en: "Name, number, e-mail or telephone",
    da: "Navn, nummer, e-mail eller telefon",
  },
  "customer.none": { en: "No customer found.", da: "Ingen kunde fundet." },
  "customer.remove": { en: "Remove the customer", da: "Fjern kunden" },
  coupon: { en: "Coupon", da: "Kupon" },
  "coupon.code": { en: "Code", da: "Kode" },
  "coupon.expected": { en: "Enter the code of the coupon.", da: "Skriv kuponens kode." },
  "coupon.remove": { en: "Remove coupon {coupon}", da: "Fjern kupon {coupon}" },
  "hint.free": {
    en: "One more and the {ordinal} is free: {name}",
    da: "En mere, og den {ordinal} er gratis: {name}",
  },
  "hint.one": { en: "One more for: {name}", da: "En mere giver: {name}" },
  "hint.more": { en: "{count} more for: {name}", da: "{count} mere giver: {name}" },
  "hint.spend": { en: "{amount} more for: {name}", da: "{amount} mere giver: {name}" },
  purchase: { en: "Purchase type", da: "Købstype" },
  "purchase.usual": { en: "As usual", da: "Som normalt" },
  "line.quoted": { en: "Quoted: {count}", da: "Tilbud: {count}" },
  expense: { en: "Expense", da: "Udgift" },
  "expense.kind": { en: "What for", da: "Hvad" },
  "expense.amount": { en: "Paid out, with taxes ({currency})", da: "Udbetalt inkl. moms ({currency})" },
  "expense.explain": {
    en: "Money leaves the drawer. Finish with Pay.",
    da: "Pengene tages fra skuffen. Afslut med Betal.",
  },
  "expense.none": { en: "The account has no expenses.", da: "Kontoen har ingen udgifter." },
  quotes: { en: "Quotes", da: "Tilbud" },
  "quotes.none": { en: "No quote is open in this shop.", da: "Ingen tilbud er åbne i butikken." },
  "quote.of": { en: "Quote {id}", da: "Tilbud {id}" },
  "quote.give": { en: "Give a quote", da: "Giv et tilbud" },
  "quote.explain": {
    en: "The prices of the basket hold until it expires. Any till of the shop collects it.",
    da: "Kurvens priser gælder, til tilbuddet udløber. Alle butikkens kasser kan hente det.",
  },
  "quote.comment": { en: "Remark", da: "Bemærkning" },
  "quote.days": { en: "Days that it holds", da: "Dage det gælder" },
  "quote.done": { en: "The quote is given.", da: "Tilbuddet er givet." },
  park: { en: "Park", da: "Parkér" },
  "park.name": { en: "Name", da: "Navn" },
  "park.done": { en: "The basket is parked.", da: "Kurven er parkeret." },
  parked: { en: "Parked", da: "Parkerede" },
  "parked.none": {
    en: "No basket is parked in this shop.",
    da: "Ingen kurv er parkeret i butikken.",
  },
  "parked.lines": { en: "{count} lines", da: "{count} linjer" },
  "parked.busy": {
    en: "Finish or park this basket first.",
    da: "Afslut eller parkér denne kurv først.",
  },
  void: { en: "Void", da: "Annullér" },
  "void.title": { en: "Void this basket?", da: "Annullér kurven?" },
  "void.unpaid": {
    en: "Nothing was paid. The basket is emptied.",
    da: "Intet er betalt. Kurven tømmes.",
  },
  "void.paid": {
    en: "Something was paid: give it back. The basket is recorded as voided.",
    da: "Noget er betalt: giv det tilbage. Kurven registreres som annulleret.",
  },
  "void.not": { en: "Keep it", da: "Behold" },

  // --- paying ------------------------------------------------------------------------------
  pay: { en: "Pay", da: "Betal" },
  "pay.back": { en: "Pay back", da: "Betal tilbage" },
  "pay.finish": { en: "Finish", da: "Afslut" },
  "pay.recording": { en: "Recording the sale …", da: "Registrerer salget …" },
  "pay.again": {
    en: "The sale is sent again until it is answered; it is recorded once.",
    da: "Salget sendes igen, til der er svar; det registreres én gang.",
  },
  cash: { en: "Cash", da: "Kontant" },
  "cash.tendered": { en: "Cash received", da: "Modtaget kontant" },
  "cash.take": { en: "Take cash", da: "Modtag kontant" },
  "cash.back": { en: "Pay out", da: "Udbetal" },
  "cash.paid.back": { en: "Cash paid out", da: "Udbetalt kontant" },
  foreign: { en: "Foreign cash", da: "Fremmed valuta" },
  "foreign.received": { en: "Received in {currency}", da: "Modtaget i {currency}" },
  "foreign.take": { en: "Take {currency}", da: "Modtag {currency}" },
  "cash.rounded": { en: "In cash: {amount}", da: "Kontant: {amount}" },
  change: { en: "Change", da: "Byttepenge" },
  "payment.others": { en: "Card and others", da: "Kort og andet" },
  "payment.size": { en: "Amount", da: "Beløb" },
  "payment.remove": { en: "Remove the payment", da: "Fjern betalingen" },
  "payment.cash.rounding": { en: "Rounding", da: "Afrunding" },
  "payment.cash.cashback": { en: "Change", da: "Byttepenge" },
  "contribution.green": { en: "Contribution on target", da: "Dækningsgrad på mål" },
  "contribution.orange": { en: "Contribution below target", da: "Dækningsgrad under mål" },
  "contribution.red": { en: "Sold at a loss", da: "Sælges med tab" },

  // --- receipts, returns -------------------------------------------------------------------
  receipt: { en: "Receipt", da: "Bon" },
  "receipt.of": { en: "Receipt of sale {number}", da: "Bon for salg {number}" },
  "receipt.done": { en: "Sale {number} is done", da: "Salg {number} er afsluttet" },
  "receipt.next": { en: "Next sale", da: "Næste salg" },
  pdf: { en: "PDF", da: "PDF" },
  sales: { en: "Sales", da: "Salg" },
  "sales.search": { en: "Number or id of the sale", da: "Salgets nummer eller id" },
  "sales.none": {
    en: "No sale found. Enter looks for the id.",
    da: "Intet salg fundet. Enter søger efter id.",
  },
  "sales.number": { en: "Sale {number}", da: "Salg {number}" },
  return: { en: "Return", da: "Retur" },
  "return.of": { en: "Return of sale {number}", da: "Retur af salg {number}" },
  "return.line": { en: "{name} ({left} left)", da: "{name} ({left} tilbage)" },
  "return.take": { en: "Take back", da: "Tag retur" },
  "return.choose": { en: "Choose what comes back.", da: "Vælg, hvad der kommer retur." },
  "return.nothing": { en: "Nothing is left to come back.", da: "Intet er tilbage." },

  // --- reports -----------------------------------------------------------------------------
  reports: { en: "Reports", da: "Rapporter" },
  x: { en: "X report", da: "X-rapport" },
  "x.make": { en: "Make an X report", da: "Lav en X-rapport" },
  "x.totals": { en: "Totals ({currency})", da: "Totaler ({currency})" },
  "x.opened": { en: "Opened", da: "Åbnet" },
  "x.cash": { en: "Cash at open", da: "Kontant ved åbning" },
  "x.voided": { en: "Voided", da: "Annulleret" },
  "x.sales": { en: "Sales", da: "Salg" },
  "x.returns": { en: "Returns", da: "Returer" },
  "x.all": { en: "All", da: "Alt" },
  "x.count": { en: "Number", da: "Antal" },
  "x.total": { en: "Total", da: "Total" },
  "x.taxes": { en: "Taxes", da: "Afgifter" },
  "x.discounts": { en: "Discounts", da: "Rabatter" },
  "x.payments": { en: "Payments", da: "Betalinger" },
  "x.groups": { en: "Product groups", da: "Varegrupper" },
  "x.nogroup": { en: "Without a group", da: "Uden gruppe" },
  z: { en: "Z report", da: "Z-rapport" },
  "z.make": { en: "Close the register", da: "Luk kassen" },
  "z.close": { en: "Close the register", da: "Luk kassen" },
  "z.done": { en: "Z report {number}", da: "Z-rapport {number}" },
  "z.explain": { en: "Count what is in the drawer.", da: "Tæl, hvad der er i skuffen." },
  "z.counted": { en: "{name}, counted", da: "{name}, talt" },
  "z.deposited": { en: "Of it leaves the drawer", da: "Heraf tages op af skuffen" },
  "z.comment": { en: "Reason for a difference", da: "Grund til en difference" },
  "z.differences": { en: "Differences", da: "Differencer" },
  "z.expected": { en: "expected {amount}", da: "forventet {amount}" },
  "z.was": { en: "counted {amount}", da: "talt {amount}" },
  "z.right": { en: "no difference", da: "ingen difference" },
  "z.missing": { en: "{amount} missing", da: "{amount} mangler" },
  "z.over": { en: "{amount} too much", da: "{amount} for meget" },

  // --- the customer's screen ---------------------------------------------------------------
  screen: { en: "Customer screen", da: "Kundeskærm" },
  "screen.title": { en: "Welcome", da: "Velkommen" },
  "screen.welcome": { en: "Welcome", da: "Velkommen" },
  "screen.thanks": { en: "Thank you", da: "Tak for handlen" },
  "screen.saved": { en: "You save", da: "Du sparer" },
  newsletter: { en: "Our newsletter", da: "Vores nyhedsbrev" },
  "newsletter.email": { en: "E-mail", da: "E-mail" },
  "newsletter.join": { en: "Sign up", da: "Tilmeld" },
  "newsletter.bad": {
    en: "Enter an address such as name@example.com.",
    da: "Skriv en adresse som navn@example.com.",
  },
  "newsletter.done": { en: "Thank you, you are signed up.", da: "Tak, du er tilmeldt." },

  // --- errors of the server that cashiers meet ---------------------------------------------
  "reason.REGISTER_CLOSED": { en: "The register is closed.", da: "Kassen er lukket." },
  "reason.TOTAL_CHANGED": {
    en: "Prices have changed meanwhile: look at the new total.",
    da: "Priserne er ændret imens: se den nye total.",
  },
  "reason.VOIDED": { en: "The sale was voided.", da: "Salget er annulleret." },
  "reason.NOT_SOLD_HERE": { en: "Not sold in this market.", da: "Sælges ikke i dette marked." },
  "reason.PRICE_REQUIRED": { en: "The product needs a price.", da: "Varen skal have en pris." },
  "reason.VARIANT_REQUIRED": { en: "Choose a variant.", da: "Vælg en variant." },
};

const ORDINALS = {
  en: { 2: "second", 3: "third", 4: "fourth", 5: "fifth", 6: "sixth" },
  da: { 2: "anden", 3: "tredje", 4: "fjerde", 5: "femte", 6: "sjette" },
};

let present = "en";
let timeZone;

/** Speak a language from here on. */
export function setLanguage(code) {
  present = code in LANGUAGES ? code : "en";
}

/** Show moments as clocks show them in a time zone, that of the market. */
export function setTimeZone(name) {
  timeZone = name || undefined;
}

/** Return the code of the language. */
export function language() {
  return present;
}

/** Return what Intl calls the language. */
export function locale() {
  return LOCALES[present];
}

/** Return words, with values in the place of their `{names}`. */
export function t(name, values = {}, otherwise = name) {
  const words = WORDS[name]?.[present] ?? otherwise;
  return words.replace(/\{(\w+)\}/g, (whole, key) => values[key] ?? whole);
}

/** Return a number of things in their order: `third`. */
export function ordinal(count) {
  return ORDINALS[present][count] ?? (present === "da" ? `${count}.` : `${count}th`);
}

/** Return a text in the language: of a message, of a document, or in all languages. */
export function localized(value) {
  if (value === undefined || value === null) return "";
  if (typeof value === "string") return value;
  if (value.text !== undefined) return value.text;
  const texts = value.textByLanguage ?? value;
  return texts[present] ?? texts.en ?? Object.values(texts)[0] ?? "";
}

/** Return a moment for people. */
export function dateTime(text) {
  if (!text) return "";
  const format = new Intl.DateTimeFormat(locale(), {
    dateStyle: "medium",
    timeStyle: "short",
    timeZone,
  });
  return format.format(new Date(text));
}

/** Return a decimal number as somebody types it in the language. */
export function localeDecimal(text) {
  return present === "da" ? text.replace(".", ",") : text;
}
