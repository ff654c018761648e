"""Label your own logs: dialogues and a schema as plain Python values, no model, no file."""

import nc_latent_tod as nct

CHATS = [
    {"dialogue_id": "d1", "turns": [
        {"speaker": "user", "utterance": "hi, is there a cheap court with clay?"},
        {"speaker": "system", "utterance": "There is Elm Park, a cheap one. What else can I do?"},
        {"speaker": "user", "utterance": "i would rather play on grass, whatever the price."}]},
    {"dialogue_id": "d2", "turns": [
        {"speaker": "user", "utterance": "book Sea View for me"},
        {"speaker": "system", "utterance": "Sea View is booked."}]},
]
SCHEMA = [{"service_name": "court", "description": "tennis courts", "intents": [], "slots": [
    {"name": "name", "description": "name of the court"},
    {"name": "surface", "description": "surface of the court", "is_categorical": True, "possible_values": ["clay", "grass"]},
    {"name": "price", "description": "price range", "is_categorical": True, "possible_values": ["cheap", "expensive"]}]}]
COURTS = [{"name": "Elm Park", "surface": "clay", "price": "cheap"}, {"name": "Sea View", "surface": "grass", "price": "cheap"}]

labels = nct.label(CHATS, SCHEMA, entities={"court": COURTS})
for example in labels:
    print(example.turn.key, example.label.state, [f"{act.act} {act.slot}" for act in example.label.acts])

print(nct.explain(labels, "d1", 1).tasks[0].reason)
