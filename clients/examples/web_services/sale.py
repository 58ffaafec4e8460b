"""Record a sale with one call; needs nothing but Python."""

import json
from urllib.error import HTTPError
from urllib.parse import urlencode
from urllib.request import urlopen

SALE = [
    ("key", "YOUR_KEY"),
    ("idboutique", "SHOP_ID"),
    ("idcaisse", "REGISTER_ID"),
    ("idUser", "USER_ID"),
    ("payment", "PAYMENT_METHOD_ID"),
    ("deliveryMethod", "DELIVERY_METHOD_ID"),
    ("requestID", "YOUR_ORDER_ID"),
    ("itemsList[]", "ITEM_ID_1_TITLE"),
]

try:
    with urlopen("http://127.0.0.1:8080/web-services/sales", urlencode(SALE).encode()) as response:
        print(json.dumps(json.load(response)))
except HTTPError as error:
    raise SystemExit(error.read().decode()) from error
