<?php
// Record a sale with one call; needs nothing but PHP.

$sale = http_build_query([
    'key' => 'YOUR_KEY',
    'idboutique' => 'SHOP_ID',
    'idcaisse' => 'REGISTER_ID',
    'idUser' => 'USER_ID',
    'payment' => 'PAYMENT_METHOD_ID',
    'deliveryMethod' => 'DELIVERY_METHOD_ID',
    'requestID' => 'YOUR_ORDER_ID',
    'itemsList' => ['ITEM_ID_1_TITLE'],
]);
$context = stream_context_create(['http' => [
    'method' => 'POST',
    'header' => 'Content-Type: application/x-www-form-urlencoded',
    'content' => $sale,
    'ignore_errors' => true,
]]);
echo file_get_contents('http://127.0.0.1:8080/web-services/sales', false, $context), "\n";
