"""Publish labels as a dataset with a card, and load it as anybody would."""

import tempfile
from pathlib import Path

from datasets import load_from_disk

import nc_latent_tod as nct

folder = Path(tempfile.mkdtemp())
dialogues = nct.load_dialogues("packaged:simulated", "train_0_20")
labels = nct.label(dialogues, "packaged:schema", entities="packaged:entities", folder=folder / "work", group_id="town")
published = nct.publish(labels, to=folder / "datasets", min_confidence=0.5)
print(f"{published.turns} turns of {published.dialogues} dialogues in {published.name}")
print(f"left out as too unsure: {published.abstained}")

dataset = load_from_disk(str(published.path))
row = dataset["train"][0]
print(dataset, row["user_utterances"], {service: {slot: value for slot, value in slots.items() if value}
                                        for service, slots in (row["slot_values"] or {}).items()}, sep="\n")
