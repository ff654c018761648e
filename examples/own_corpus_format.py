"""A corpus format of your own: read it into dialogues, and everything else works as with the built-in ones."""

import re

import nc_latent_tod as nct

TRANSCRIPT = """\
=== call 17
CALLER> i need a room with two beds for saturday
DESK> we have one for 80 pounds, shall i book it?
CALLER> yes please
=== call 18
CALLER> is breakfast included?
DESK> yes, it is.
"""
SPEAKERS = {"CALLER": "user", "DESK": "system"}


def read(text: str) -> list[dict]:
    """A dict a call, as `nct.label` takes them."""
    calls = []
    for block in re.split(r"^=== ", text, flags=re.MULTILINE)[1:]:
        name, *lines = block.strip().splitlines()
        spoken = [line.split("> ", 1) for line in lines]
        calls.append({"dialogue_id": name, "turns": [{"speaker": SPEAKERS[who], "utterance": said} for who, said in spoken]})
    return calls


SCHEMA = [{"service_name": "hotel", "intents": [], "slots": [
    {"name": "beds", "description": "number of beds", "possible_values": ["1", "2", "3"], "is_categorical": True},
    {"name": "day", "description": "day of arrival", "is_categorical": False},
    {"name": "breakfast", "description": "whether breakfast is included", "possible_values": ["True", "False"],
     "is_categorical": True}]}]

print(nct.label(read(TRANSCRIPT), SCHEMA).to_pandas()[["dialogue_id", "turn_id", "slot_values"]].to_string())
