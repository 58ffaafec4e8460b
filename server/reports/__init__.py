"""Reports for people: receipts and Z reports, as HTML and PDF, from what is stored.

A model of what was recorded becomes one document of texts; both formats are made of that document.
"""
