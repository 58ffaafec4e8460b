#!/bin/sh
# Record a sale with one call.
curl --silent --show-error 'http://127.0.0.1:8080/web-services/sales' \
    --data-urlencode 'key=YOUR_KEY' \
    --data-urlencode 'idboutique=SHOP_ID' \
    --data-urlencode 'idcaisse=REGISTER_ID' \
    --data-urlencode 'idUser=USER_ID' \
    --data-urlencode 'payment=PAYMENT_METHOD_ID' \
    --data-urlencode 'deliveryMethod=DELIVERY_METHOD_ID' \
    --data-urlencode 'requestID=YOUR_ORDER_ID' \
    --data-urlencode 'itemsList[]=ITEM_ID_1_TITLE'
