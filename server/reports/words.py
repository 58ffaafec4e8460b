"""State the words of reports in every language that has them; English is the fallback.

A language is added as a field of `Word`; the type checker then names every word that lacks it.
"""

from typing import Final, NamedTuple

from engine.behaviors import (
    ACCOUNT_DEPOSIT,
    CONTAINER_DEPOSIT,
    EXPENSE,
    GIFTCARD,
    GIFTCARD_USE,
    SHIPPING,
    VOUCHER,
    VOUCHER_USE,
)
from engine.model.register import RegisterEvent


class Word(NamedTuple):
    """A word in each language, by the code of the language."""

    en: str
    da: str
    de: str
    sv: str
    nb: str


LANGUAGES: Final = Word._fields
"""The languages that reports are written in."""

# --- titles ----------------------------------------------------------------------------------

RECEIPT: Final = Word("Receipt", "Kvittering", "Beleg", "Kvitto", "Kvittering")
RETURN_RECEIPT: Final = Word(
    "Return receipt", "Returkvittering", "Rückgabebeleg", "Returkvitto", "Returkvittering"
)
EXPENSE_RECEIPT: Final = Word("Expense", "Udgiftsbilag", "Ausgabenbeleg", "Utgift", "Utgiftsbilag")
VOIDED: Final = Word(
    "Voided: this sale was not completed",
    "Annulleret: dette salg blev ikke gennemført",
    "Storniert: dieser Verkauf wurde nicht abgeschlossen",
    "Makulerad: köpet slutfördes inte",
    "Annullert: dette salget ble ikke fullført",
)
X_REPORT: Final = Word("X report", "X-rapport", "X-Bericht", "X-rapport", "X-rapport")
Z_REPORT: Final = Word("Z report", "Z-rapport", "Z-Bericht", "Z-rapport", "Z-rapport")

# --- facts -----------------------------------------------------------------------------------

RECEIPT_NUMBER: Final = Word(
    "Receipt no.", "Bonnummer", "Belegnummer", "Kvittonummer", "Bongnummer"
)
TIME: Final = Word("Time", "Tidspunkt", "Zeitpunkt", "Tidpunkt", "Tidspunkt")
TIMEZONE: Final = Word("Time zone", "Tidszone", "Zeitzone", "Tidszon", "Tidssone")
OPENED: Final = Word("Opened", "Åbnet", "Geöffnet", "Öppnad", "Åpnet")
CLOSED: Final = Word("Closed", "Lukket", "Geschlossen", "Stängd", "Stengt")
COUNTED_AT: Final = Word("Counted at", "Optalt", "Gezählt", "Räknad", "Opptalt")
MARKET: Final = Word("Market", "Marked", "Markt", "Marknad", "Marked")
SHOP: Final = Word("Shop", "Butik", "Filiale", "Butik", "Butikk")
REGISTER: Final = Word("Register", "Kasse", "Kasse", "Kassa", "Kasse")
CASHIER: Final = Word("Cashier", "Ekspedient", "Kassierer/in", "Kassör", "Ekspeditør")
CURRENCY: Final = Word("Currency", "Valuta", "Währung", "Valuta", "Valuta")
VAT_NUMBER: Final = Word("VAT no.", "Momsnr.", "USt-IdNr.", "Momsreg.nr", "Org.nr")
CUSTOMER: Final = Word("Customer", "Kunde", "Kunde", "Kund", "Kunde")
ORGANIZATION_NUMBER: Final = Word("Org. no.", "CVR/org.nr.", "Firmen-Nr.", "Org.nr", "Org.nr")
PURCHASE_TYPE: Final = Word("Purchase type", "Købstype", "Kaufart", "Köptyp", "Kjøpstype")
RETURN_OF: Final = Word(
    "Return of sale", "Retur af salg", "Rückgabe zu Verkauf", "Retur av köp", "Retur av salg"
)
QUOTE: Final = Word("Quote", "Tilbud", "Angebot", "Offert", "Tilbud")
SALE_ID: Final = Word("Sale", "Salg", "Verkauf", "Köp", "Salg")
CHECKOUT_ID: Final = Word("Checkout", "Ekspedition", "Vorgang", "Kassaköp", "Ekspedisjon")
PERIOD_ID: Final = Word("Period", "Periode", "Zeitraum", "Period", "Periode")
COMMENT: Final = Word("Comment", "Kommentar", "Kommentar", "Kommentar", "Kommentar")
JOURNAL_NUMBER: Final = Word("Journal no.", "Journalnr.", "Journal-Nr.", "Journalnr", "Journalnr.")
JOURNAL_HASH: Final = Word(
    "Journal hash", "Journal-hash", "Journal-Hash", "Journalhash", "Journal-hash"
)

# --- lines -----------------------------------------------------------------------------------

ITEM: Final = Word("Item", "Vare", "Artikel", "Artikel", "Vare")
DISCOUNT: Final = Word("Discount", "Rabat", "Rabatt", "Rabatt", "Rabatt")
ONLINE_ORDER: Final = Word(
    "Online order", "Online ordre", "Online-Bestellung", "Onlineorder", "Nettordre"
)
BEHAVIORS: Final = {
    SHIPPING: Word("Shipping", "Fragt", "Versand", "Frakt", "Frakt"),
    GIFTCARD: Word("Gift card", "Gavekort", "Geschenkkarte", "Presentkort", "Gavekort"),
    VOUCHER: Word("Voucher", "Tilgodebevis", "Gutschein", "Tillgodokvitto", "Tilgodelapp"),
    GIFTCARD_USE: Word(
        "Gift card used",
        "Gavekort brugt",
        "Geschenkkarte eingelöst",
        "Presentkort använt",
        "Gavekort brukt",
    ),
    VOUCHER_USE: Word(
        "Voucher used",
        "Tilgodebevis brugt",
        "Gutschein eingelöst",
        "Tillgodokvitto använt",
        "Tilgodelapp brukt",
    ),
    EXPENSE: Word("Expense", "Udgift", "Ausgabe", "Utgift", "Utgift"),
    ACCOUNT_DEPOSIT: Word(
        "Deposit to customer account",
        "Indbetaling på kundekonto",
        "Einzahlung auf Kundenkonto",
        "Insättning på kundkonto",
        "Innbetaling på kundekonto",
    ),
    CONTAINER_DEPOSIT: Word("Deposit", "Pant", "Pfand", "Pant", "Pant"),
}
"""What a line with a behaviour is."""

# --- sums ------------------------------------------------------------------------------------

SUB_TOTAL: Final = Word("Subtotal", "Subtotal", "Zwischensumme", "Delsumma", "Delsum")
SALES_TAX: Final = Word(
    "Sales tax", "Salgsafgift", "Verkaufssteuer", "Försäljningsskatt", "Salgsskatt"
)
TOTAL: Final = Word("Total", "I alt", "Summe", "Totalt", "Totalt")
DISCOUNTS: Final = Word("Discounts", "Rabatter", "Rabatte", "Rabatter", "Rabatter")
TAXES: Final = Word("Taxes", "Moms og afgifter", "Steuern", "Moms och skatter", "Mva. og avgifter")
TAX: Final = Word("Tax", "Afgift", "Steuer", "Skatt", "Avgift")
VAT: Final = Word("VAT", "Moms", "MwSt.", "Moms", "Mva.")
NET: Final = Word("Net", "Netto", "Netto", "Netto", "Netto")
GROSS: Final = Word("Gross", "Brutto", "Brutto", "Brutto", "Brutto")
UNTAXED: Final = Word("No tax", "Uden moms", "Ohne Steuer", "Utan skatt", "Uten avgift")
TOTAL_TAX: Final = Word(
    "Total tax", "Afgifter i alt", "Steuern gesamt", "Skatter totalt", "Avgifter totalt"
)
MARGIN: Final = Word("Margin", "Avance", "Rohertrag", "Marginal", "Dekningsbidrag")
MARGIN_TOTAL: Final = Word(
    "Net with known cost",
    "Netto med kendt kostpris",
    "Netto mit bekanntem Einstand",
    "Netto med känd kostnad",
    "Netto med kjent kostpris",
)

# --- payments --------------------------------------------------------------------------------

PAYMENTS: Final = Word("Payments", "Betaling", "Zahlung", "Betalning", "Betaling")
PAYMENT_TYPE: Final = Word(
    "Payment type", "Betalingsmiddel", "Zahlungsart", "Betalsätt", "Betalingsmåte"
)
RATE: Final = Word("rate", "kurs", "Kurs", "kurs", "kurs")
CASH: Final = Word("Cash", "Kontant", "Bar", "Kontant", "Kontant")
CHANGE: Final = Word("Change", "Byttepenge", "Rückgeld", "Växel", "Vekslepenger")
PAYMENT_TYPES: Final = {
    "cash": CASH,
    "cash.cashback": CHANGE,
    "cash.rounding": Word(
        "Cash rounding", "Øreafrunding", "Rundung", "Öresavrundning", "Øreavrunding"
    ),
    "card": Word("Card", "Kort", "Karte", "Kort", "Kort"),
    "customer_account": Word(
        "Customer account", "Kundekonto", "Kundenkonto", "Kundkonto", "Kundekonto"
    ),
    "exchange": Word("Exchange", "Ombytning", "Umtausch", "Byte", "Bytte"),
    "externally_paid": Word(
        "Paid in advance", "Betalt på forhånd", "Vorab bezahlt", "Betalt i förväg", "Forhåndsbetalt"
    ),
    "giftcard": Word("Gift card", "Gavekort", "Geschenkkarte", "Presentkort", "Gavekort"),
    "invoice": Word("Invoice", "Faktura", "Rechnung", "Faktura", "Faktura"),
    "mobilepay": Word("MobilePay", "MobilePay", "MobilePay", "MobilePay", "MobilePay"),
    "voucher": Word("Voucher", "Tilgodebevis", "Gutschein", "Tillgodokvitto", "Tilgodelapp"),
}
"""Payment types by their identifier, or by what stands before its first point."""

# --- register --------------------------------------------------------------------------------

OVERVIEW: Final = Word("Overview", "Oversigt", "Übersicht", "Översikt", "Oversikt")
SALES: Final = Word("Sales", "Salg", "Verkäufe", "Försäljning", "Salg")
RETURNS: Final = Word("Returns", "Returer", "Rückgaben", "Returer", "Returer")
EXPENSES: Final = Word("Expenses", "Udgifter", "Ausgaben", "Utgifter", "Utgifter")
ALL: Final = Word("All", "Alle", "Alle", "Alla", "Alle")
COUNT: Final = Word("Count", "Antal", "Anzahl", "Antal", "Antall")
ITEMS: Final = Word("Items", "Varer", "Artikel", "Varor", "Varer")
PRODUCT_GROUP: Final = Word("Product group", "Varegruppe", "Warengruppe", "Varugrupp", "Varegruppe")
NO_GROUP: Final = Word(
    "Without group", "Uden varegruppe", "Ohne Warengruppe", "Utan varugrupp", "Uten varegruppe"
)
RECEIVED: Final = Word("Received", "Ind", "Eingang", "In", "Inn")
PAID_OUT: Final = Word("Paid out", "Ud", "Ausgang", "Ut", "Ut")
RECONCILIATION: Final = Word(
    "Reconciliation", "Afstemning", "Kassenabstimmung", "Avstämning", "Avstemming"
)
EXPECTED: Final = Word("Expected", "Forventet", "Soll", "Förväntat", "Forventet")
COUNTED: Final = Word("Counted", "Talt", "Ist", "Räknat", "Talt")
DIFFERENCE: Final = Word("Difference", "Difference", "Differenz", "Differens", "Differanse")
DEPOSITED: Final = Word("Deposited", "Deponeret", "Abgeführt", "Deponerat", "Deponert")
CASH_AT_OPEN: Final = Word(
    "Cash at open", "Kontant ved åbning", "Anfangsbestand", "Ingående kassa", "Kontanter ved åpning"
)
DIFFERENCE_AT_OPEN: Final = Word(
    "Difference at open",
    "Difference ved åbning",
    "Differenz bei Öffnung",
    "Differens vid öppning",
    "Differanse ved åpning",
)
COMMENT_AT_OPEN: Final = Word(
    "Comment at open",
    "Kommentar ved åbning",
    "Kommentar bei Öffnung",
    "Kommentar vid öppning",
    "Kommentar ved åpning",
)
EVENTS: Final = Word("Events", "Hændelser", "Ereignisse", "Händelser", "Hendelser")

_Event = RegisterEvent
REGISTER_EVENTS: Final = {
    _Event.CASH_DRAWER_OPENED: Word(
        "Cash drawer opened",
        "Kasseskuffe åbnet",
        "Kassenlade geöffnet",
        "Kassalåda öppnad",
        "Kasseskuff åpnet",
    ),
    _Event.REGISTER_OPENED: Word(
        "Register opened", "Kasse åbnet", "Kasse geöffnet", "Kassa öppnad", "Kasse åpnet"
    ),
    _Event.REGISTER_CLOSED: Word(
        "Register closed", "Kasse lukket", "Kasse geschlossen", "Kassa stängd", "Kasse stengt"
    ),
    _Event.RETURN: RETURNS,
    _Event.VOID: Word(
        "Voided sales",
        "Annullerede salg",
        "Stornierte Verkäufe",
        "Makulerade köp",
        "Annullerte salg",
    ),
    _Event.SALE: SALES,
    _Event.EXPENSES: EXPENSES,
    _Event.SALE_ABORTED: Word(
        "Aborted sales", "Afbrudte salg", "Abgebrochene Verkäufe", "Avbrutna köp", "Avbrutte salg"
    ),
    _Event.SALE_INITIATED: Word(
        "Initiated sales",
        "Påbegyndte salg",
        "Begonnene Verkäufe",
        "Påbörjade köp",
        "Påbegynte salg",
    ),
    _Event.X_REPORT_GENERATED: Word(
        "X reports", "X-rapporter", "X-Berichte", "X-rapporter", "X-rapporter"
    ),
    _Event.LINE_ITEM_ADDED: Word(
        "Lines added",
        "Linjer tilføjet",
        "Positionen hinzugefügt",
        "Rader tillagda",
        "Linjer lagt til",
    ),
    _Event.LINE_ITEM_REMOVED: Word(
        "Lines removed",
        "Linjer fjernet",
        "Positionen entfernt",
        "Rader borttagna",
        "Linjer fjernet",
    ),
    _Event.LINE_ITEM_QUANTITY_ADJUSTED: Word(
        "Quantities changed", "Antal ændret", "Mengen geändert", "Antal ändrade", "Antall endret"
    ),
    _Event.DISCOUNT_ADDED: Word(
        "Discounts added",
        "Rabatter tilføjet",
        "Rabatte hinzugefügt",
        "Rabatter tillagda",
        "Rabatter lagt til",
    ),
    _Event.DISCOUNT_REMOVED: Word(
        "Discounts removed",
        "Rabatter fjernet",
        "Rabatte entfernt",
        "Rabatter borttagna",
        "Rabatter fjernet",
    ),
    _Event.CUSTOMER_ADDED: Word(
        "Customers added",
        "Kunder tilføjet",
        "Kunden hinzugefügt",
        "Kunder tillagda",
        "Kunder lagt til",
    ),
    _Event.CUSTOMER_REMOVED: Word(
        "Customers removed",
        "Kunder fjernet",
        "Kunden entfernt",
        "Kunder borttagna",
        "Kunder fjernet",
    ),
    _Event.APP_LAUNCH: Word(
        "App started", "App startet", "App gestartet", "App startad", "App startet"
    ),
    _Event.APP_QUIT: Word(
        "App quit", "App afsluttet", "App beendet", "App avslutad", "App avsluttet"
    ),
    _Event.CASHIER_SELECTED: Word(
        "Cashier selected",
        "Ekspedient valgt",
        "Kassierer gewählt",
        "Kassör vald",
        "Ekspeditør valgt",
    ),
    _Event.LINE_ITEM_SUMMARIES_ADDED: Word(
        "Recorded lines added",
        "Tidligere linjer tilføjet",
        "Frühere Positionen hinzugefügt",
        "Tidigare rader tillagda",
        "Tidligere linjer lagt til",
    ),
    _Event.LINE_ITEM_SUMMARIES_REMOVED: Word(
        "Recorded lines removed",
        "Tidligere linjer fjernet",
        "Frühere Positionen entfernt",
        "Tidigare rader borttagna",
        "Tidligere linjer fjernet",
    ),
    _Event.SALES_QUOTE_GIVEN: Word(
        "Quotes given", "Tilbud givet", "Angebote erstellt", "Offerter lämnade", "Tilbud gitt"
    ),
    _Event.BASKET_SAVED: Word(
        "Baskets saved", "Kurve gemt", "Körbe gespeichert", "Korgar sparade", "Kurver lagret"
    ),
    _Event.POST_PAYMENT_FISCAL_EVENT: Word(
        "Fiscal events after payment",
        "Fiskale hændelser efter betaling",
        "Fiskalereignisse nach Zahlung",
        "Fiskala händelser efter betalning",
        "Fiskale hendelser etter betaling",
    ),
    _Event.PRE_COPY_PRINT_FISCAL_EVENT: Word(
        "Fiscal events before copies",
        "Fiskale hændelser før kopi",
        "Fiskalereignisse vor Kopie",
        "Fiskala händelser före kopia",
        "Fiskale hendelser før kopi",
    ),
    _Event.PAYMENT_REVERSAL: Word(
        "Payments reversed",
        "Betalinger tilbageført",
        "Zahlungen storniert",
        "Betalningar återförda",
        "Betalinger reversert",
    ),
    _Event.RECEIPT_PRINT_COPY: Word(
        "Receipt copies", "Bonkopier", "Belegkopien", "Kvittokopior", "Bongkopier"
    ),
}
"""The events that a register counts."""

FISCAL: Final = Word("Fiscal data", "Fiskale data", "Fiskaldaten", "Fiskala data", "Fiskale data")
