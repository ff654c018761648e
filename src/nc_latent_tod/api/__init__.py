"""The verbs of the product as functions: one file a verb, named as its command. Values in, values out; nothing prints."""
