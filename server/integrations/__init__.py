"""Call the systems that tills need while they sell: gift cards, accounts, customers, shipping."""
