// Write the values of a call into the example programs, in place of those that they come with.

export const LANGUAGES = [
  ["sale.sh", "curl"],
  ["sale.py", "Python"],
  ["sale.mjs", "Node.js"],
  ["sale.jquery.html", "jQuery"],
  ["sale.php", "PHP"],
  ["Sale.java", "Java"],
];

// What stands in the programs, each once.
const PLACES = {
  address: "http://127.0.0.1:8080",
  key: "YOUR_KEY",
  shop: "SHOP_ID",
  register: "REGISTER_ID",
  user: "USER_ID",
  payment: "PAYMENT_METHOD_ID",
  delivery: "DELIVERY_METHOD_ID",
  entry: "ITEM_ID_1_TITLE",
  request: "YOUR_ORDER_ID",
};

// These end a text, or begin something else in it, in one of the languages.
const UNSAFE = /["'`\\$<>\u0000-\u001f\u007f\u2028\u2029]/u;

// Return a program with the values of a call; a value that would be no text in it is refused.
export function filled(program, call) {
  let text = program;
  for (const [name, place] of Object.entries(PLACES)) {
    if (UNSAFE.test(call[name])) {
      throw new Error(`${name}: expected a text without quotes and commands, was ${call[name]}`);
    }
    text = text.replaceAll(place, () => call[name]);
  }
  return text;
}

// Return the entry of an item for `itemsList`; without a title its underscore is left out too.
export function entry(item, quantity, title) {
  return title === "" ? `${item}_${quantity}` : `${item}_${quantity}_${title}`;
}
