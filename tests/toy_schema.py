"""A schema that the tests share, with the names that are hardest to print and to read."""

from nc_latent_tod.schema import Schema

SERVICES = [
    {
        "service_name": "stay",
        "description": "Rooms for the night",
        "slots": [
            {"name": "stay-area", "description": "part of town", "is_categorical": True,
             "possible_values": ["north", "east", "town centre"]},
            {"name": "stay-stars", "description": "how good", "is_categorical": True,
             "possible_values": ["0", "1", "2", "3", "4", "5"]},
            {"name": "stay-garage", "description": "room for a car", "is_categorical": True, "possible_values": ["yes", "no"]},
            {"name": "stay-name", "description": "what it is called", "is_categorical": False},
        ],
        "intents": [
            {"name": "FindStay", "description": "look for a room", "optional_slots": ["stay-area", "stay-stars", "stay-name"]},
            {"name": "BookStay", "description": "take a room", "is_transactional": True, "required_slots": ["stay-name"],
             "optional_slots": ["stay-garage"]},
        ],
    },
    {
        "service_name": "Rides_2",
        "description": "Getting about",
        "slots": [{"name": "from", "description": "where from"}, {"name": "leave at", "description": "when"},
                  {"name": "name", "description": "whose car"}],
        "intents": [{"name": "class", "description": "", "optional_slots": ["from", "leave at", "name"]}],
    },
]

SCHEMA = Schema.from_json(SERVICES)
