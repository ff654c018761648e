"""Dataset folders: their form, every fault found in one pass, splits; and versions of them in a store."""
