"""How good are labels, and does their confidence mean what it says? On dialogues whose truth is known."""

import tempfile
from pathlib import Path

import nc_latent_tod as nct
from nc_latent_tod.api.calibrate import calibrate_group
from nc_latent_tod.corpus.label_files import write_examples

made = nct.simulate(40, seed=1)
labels = nct.label(made.dialogues, "packaged:schema", entities="packaged:entities")
without_table = nct.label(made.dialogues, "packaged:schema")

found = nct.evaluate(labels, made.gold, against=without_table, resamples=200)
for metric, estimate in found.scores.overall.items():
    print(f"{metric:24} {estimate.value:.3f} ({estimate.low:.3f} to {estimate.high:.3f})")
gain = found.against.difference["joint_goal_accuracy"]
print(f"the entity table gives {gain.value:+.3f} joint goal accuracy ({gain.low:+.3f} to {gain.high:+.3f}, paired)")

gold = Path(tempfile.mkdtemp()) / "gold.jsonl.gz"
write_examples(gold, made.gold)
calibration = calibrate_group(labels.manifest, labels.group_id, gold=str(gold), schema="packaged:schema")
print("temperatures:", dict(calibration.temperature))
