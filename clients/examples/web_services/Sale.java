import java.net.URI;
import java.net.URLEncoder;
import java.net.http.HttpClient;
import java.net.http.HttpRequest;
import java.net.http.HttpResponse.BodyHandlers;
import java.nio.charset.StandardCharsets;

/** Records a sale with one call; needs Java 11 or later: {@code java Sale.java}. */
public class Sale {
    private static String field(String name, String value) {
        return URLEncoder.encode(name, StandardCharsets.UTF_8)
                + "=" + URLEncoder.encode(value, StandardCharsets.UTF_8);
    }

    public static void main(String[] arguments) throws Exception {
        String sale = String.join("&",
                field("key", "YOUR_KEY"),
                field("idboutique", "SHOP_ID"),
                field("idcaisse", "REGISTER_ID"),
                field("idUser", "USER_ID"),
                field("payment", "PAYMENT_METHOD_ID"),
                field("deliveryMethod", "DELIVERY_METHOD_ID"),
                field("requestID", "YOUR_ORDER_ID"),
                field("itemsList[]", "ITEM_ID_1_TITLE"));
        HttpRequest request = HttpRequest
                .newBuilder(URI.create("http://127.0.0.1:8080/web-services/sales"))
                .header("Content-Type", "application/x-www-form-urlencoded")
                .POST(HttpRequest.BodyPublishers.ofString(sale))
                .build();
        System.out.println(
                HttpClient.newHttpClient().send(request, BodyHandlers.ofString()).body());
    }
}
