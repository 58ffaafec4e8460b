// Record a sale with one call; needs Node.js 18 or later.

const sale = new URLSearchParams([
  ["key", "YOUR_KEY"],
  ["idboutique", "SHOP_ID"],
  ["idcaisse", "REGISTER_ID"],
  ["idUser", "USER_ID"],
  ["payment", "PAYMENT_METHOD_ID"],
  ["deliveryMethod", "DELIVERY_METHOD_ID"],
  ["requestID", "YOUR_ORDER_ID"],
  ["itemsList[]", "ITEM_ID_1_TITLE"],
]);

const response = await fetch("http://127.0.0.1:8080/web-services/sales", {
  method: "POST",
  body: sale,
});
console.log(JSON.stringify(await response.json()));
if (!response.ok) process.exitCode = 1;
