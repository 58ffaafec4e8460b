"""The product examples of the reference document on product import, as valid JSON."""

from typing import Final

EXAMPLES: Final = {
    "regular": '{"id": "0001", "name": "Coffee", "retail_price": 25}',
    "price by market": """{"id": "0001", "name": "Coffee",
        "retail_price": {"dk": 25, "no": 35, "se": 30}}""",
    "localized": """{"id": "0001", "name": {"da": "Kaffe", "en": "Coffee", "nb": "Kaffe"},
        "retail_price": 25}""",
    "variable price": '{"id": "0001", "name": "Variable priced coffee"}',
    "unit priced": """{"id": "0001", "name": "Candy", "unit_pricing": {"unit": "mass/g",
        "multiplicity": 100, "retail_price_per_unit": 7.5}}""",
    "unit priced with cost": """{"id": "0002", "name": "Hummus", "unit_pricing": {
        "unit": "volume/dl", "retail_price_per_unit": 15, "cost_price_per_unit": 5,
        "multiplicity": 4.5}}""",
    "taxed": """{"id": "0001", "name": "Coffee", "retail_price": 25, "taxes": [
        {"id": "coffee_tax", "name": "Coffee tax", "rate": 0.1, "type": "vat"}]}""",
    "on sale": '{"id": "0001", "name": "Coffee", "retail_price": 25, "sale_price": 15}',
    "with cost": '{"id": "0001", "name": "T-shirt", "retail_price": 150, "cost_price": 40}',
    "purchase types": """{"id": "0001", "name": "Pie", "retail_price": 25,
        "retail_price_map": {"dine_out": 20},
        "taxes": [{"id": "coffee_tax", "name": "Coffee tax", "rate": 0.1, "type": "vat"}],
        "taxes_map": {"dine_out": [
            {"id": "coffee_tax", "name": "Coffee tax", "rate": 0.07, "type": "vat"}]}}""",
    "product group": """{"id": "0001", "name": "Pie", "retail_price": 25,
        "product_group": "deserts"}""",
    "tags": """{"id": "0001", "name": "Pie", "retail_price": 25,
        "tags": {"deserts": true, "food": true, "popular": true}}""",
    "attributes": """{"id": "0001", "name": "2016, Grand Sud", "retail_price": 305,
        "attributes": {"grape": "merlot", "country": "france", "length": 1,
                       "misc": {"text": {"en": "Store up to 10 years"}}}}""",
    "variants": """{"id": "0001", "name": "Pie", "retail_price": 25, "variants": [
        {"id": "small", "name": "Small"}, {"id": "big", "name": "Big", "retail_price": 50}]}""",
    "dimensions": """{"id": "0001", "name": "T-shirt", "retail_price": 150, "dimensions": [
        {"id": "size", "name": "Size", "values": [{"id": "s", "name": "S"}]},
        {"id": "color", "name": "Color", "values": [
            {"id": "red", "name": "Red", "color": "#FF0000",
             "image_url": "https://url.for/red_cloth.image"},
            {"id": "blue", "name": "Blue", "color": "#0000FF"}]}],
        "variants": [
            {"id": "a", "dimension_values": {"color": "red", "size": "s"}},
            {"id": "c", "retail_price": 200, "dimension_values": {"color": "blue", "size": "s"}}
        ]}""",
    "bundles": """{"id": "0001", "name": "Domaine d'Angayrac", "retail_price": 150, "bundles": [
        {"id": "box", "name": "Kasse", "name_per_quantity": "kasser af", "quantity": 6,
         "is_default": true, "image_url": "https://url.to.a.box.image.jpg"},
        {"id": "pallet", "name": "Palle", "quantity": 90, "color": "#328139"}]}""",
    "merged partial imports": """{"id": "AmeliaShellJacketSS20", "name": "Amelia", "variants": [
        {"id": "dark_grey-122_128", "barcode": "A89119", "retail_price": 120, "cost_price": 80,
         "dimension_values": {"color": "dark_grey", "size": "122_128"}}]}""",
    "models": """{"barcode": "5714081000426", "cost_price": 10, "id": "-Kaw7xNDADAjHKSpWRqJ",
        "description": {"en": "This is a really weird product."},
        "image_url": "https://example.com/picture.png",
        "name": {"da": "Klar cola", "en": "Transparent Cola"}, "product_group": "beverages",
        "retail_price": 30, "taxes": [{"name": "Speciel moms", "rate": 0.13, "type": "vat"}]}""",
}
"""Each example by what it shows."""
