"""A person's part: rounds of turns that were selected, corrections of their labels, and what follows from them."""
