"""Read what was recorded: lines, sales and checkouts of the reference documents."""
