"""What a labelling project is made of: its configuration from the schema, and its tasks with predictions."""

from __future__ import annotations

import xml.etree.ElementTree as ElementTree
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from nc_latent_tod.annotation.corrections import VERDICTS
from nc_latent_tod.annotation.form import Form
from nc_latent_tod.annotation.label_studio.controls import (
    ACTS,
    COMMENT,
    DIALOGUE,
    OWN,
    SERVICES,
    VERDICT,
    Controls,
    act_line,
    controls,
    storable,
    text_of,
)
from nc_latent_tod.annotation.rounds import Round
from nc_latent_tod.errors import ConfigError
from nc_latent_tod.labels import StateChange
from nc_latent_tod.schema import Schema, Service, Slot

_ROW = "display:grid;grid-template-columns:14em minmax(0,1fr);gap:8px;align-items:baseline"  # what it is, and the control
MAX_TITLE_CHARS = 50  # of a project, https://api.labelstud.io


@dataclass(frozen=True)
class Project:
    """A round for Label Studio."""

    title: str
    config: str  # XML
    tasks: tuple[dict[str, Any], ...]  # one a turn, in the round's order, each with one prediction
    model_version: str


def project(made: Round, shown: Sequence[Form], schema: Schema) -> Project:
    """The project of a round; `shown` are its forms. Its tasks fit its configuration."""
    known = controls(schema, _values(shown))
    tail = f" round {made.number} {made.sha256[:8]}"
    version = f"{made.group_id} round {made.number}"
    found = Project(f"{made.group_id[:MAX_TITLE_CHARS - len(tail)]}{tail}", _config(schema, known, shown),
                    tuple(_task(made, form, known, version) for form in shown), version)
    check_tasks(found.tasks, found.config, "this round")
    return found


def check_tasks(tasks: Sequence[Mapping[str, Any]], config: str, whose: str) -> None:
    """Raise `ConfigError` where a labelling configuration lacks a control or a choice: the server itself takes anything."""
    known = read_config(config)
    lacking = {name for name in OWN if name not in known}
    for task in tasks:
        for prediction in task["predictions"]:
            for result in prediction["result"]:
                name, texts = result["from_name"], result["value"].get("choices", ())
                lacking |= {name} - set(known)
                lacking |= {f"{name}: {text}" for text in texts if name in known and text not in known[name]}
    if lacking:
        raise ConfigError(f"The labelling configuration of {whose} lacks {', '.join(sorted(lacking)[:10])}. Restore it in the "
                          "project's settings, or delete the project, and push again: a new one gets the right configuration.")


def read_config(config: str) -> dict[str, tuple[str, ...]]:
    """The controls of a labelling configuration, each with its choices. Raises `ConfigError` where it is no XML."""
    try:
        root = ElementTree.fromstring(config)
    except ElementTree.ParseError as error:
        raise ConfigError(f"The labelling configuration is not XML ({error}).") from None
    return {tag.get("name", ""): tuple(choice.get("value", "") for choice in tag.iter("Choice"))
            for tag in root.iter() if tag.get("toName")}


def _values(shown: Sequence[Form]) -> dict[tuple[str, str], list[str]]:
    found: dict[tuple[str, str], list[str]] = {}
    for form in shown:
        for service, slots in form.example.label.change.items():
            for slot, value in slots.items():
                found.setdefault((service, slot), []).extend([value] if value is not None else [])
    return found


def _config(schema: Schema, known: Controls, shown: Sequence[Form]) -> str:
    """Chosen services are unfolded, and the prediction chooses those in play; the most frequent ones are first."""
    played = Counter(service for form in shown for service in form.services)
    ordered = sorted(schema.services, key=lambda service: -played[service.name])
    root = ElementTree.Element("View")
    ElementTree.SubElement(root, "Paragraphs", name=DIALOGUE, value=f"${DIALOGUE}", layout="dialogue", nameKey="who",
                           textKey="text")
    ElementTree.SubElement(root, "Text", name="before", value="$before")
    _choice_control(root, VERDICT, VERDICTS, "The predicted label is").set("required", "true")
    _choice_control(root, SERVICES, [storable(text_of(service.name)) for service in ordered],
                    "Services in play").set("choice", "multiple")
    for service in ordered:
        _slots(_folded(root, storable(text_of(service.name))), service, known)
    _text_control(root, ACTS, "Acts of the reply, one each: Offer service.slot = value", several=True)
    _text_control(root, COMMENT, "Comment")
    ElementTree.indent(root)
    return ElementTree.tostring(root, encoding="unicode")


def _folded(parent: ElementTree.Element, name: str) -> ElementTree.Element:
    """A part that is seen while a service is chosen; always where its name cannot be a condition, which commas part."""
    part = ElementTree.SubElement(parent, "View")
    if "," not in name:
        for key, value in (("visibleWhen", "choice-selected"), ("whenTagName", SERVICES), ("whenChoiceValue", name)):
            part.set(key, value)
    ElementTree.SubElement(part, "Header", value=name, size="5")
    return part


def _slots(parent: ElementTree.Element, service: Service, known: Controls) -> None:
    for slot in service.slots:
        name = known.name_of[service.name, slot.name]
        if known.choices_of[name]:
            _choice_control(parent, name, known.choices_of[name], _title(slot))
        else:
            _text_control(parent, name, _title(slot))


def _title(slot: Slot) -> str:
    return f"{slot.name}: {slot.description}" if slot.description else slot.name


def _choice_control(parent: ElementTree.Element, name: str, texts: Sequence[str], title: str) -> ElementTree.Element:
    box = _titled(parent, title)
    control = ElementTree.SubElement(box, "Choices", name=name, toName=DIALOGUE, choice="single", showInline="true")
    for text in texts:
        ElementTree.SubElement(control, "Choice", value=text)
    return control


def _text_control(parent: ElementTree.Element, name: str, title: str, *, several: bool = False) -> None:
    control = ElementTree.SubElement(_titled(parent, title), "TextArea", name=name, toName=DIALOGUE, editable="true")
    if not several:
        control.set("maxSubmissions", "1")


def _titled(parent: ElementTree.Element, title: str) -> ElementTree.Element:
    box = ElementTree.SubElement(parent, "View", style=_ROW)
    ElementTree.SubElement(box, "Header", value=storable(text_of(title)), size="6")
    return box


def _task(made: Round, form: Form, known: Controls, version: str) -> dict[str, Any]:
    turn, label = form.example.turn, form.example.label
    said = [(who, text) for e in (*form.earlier, form.example) for who, text in _said(e.turn) if text]
    dialogue_id = storable(turn.dialogue_id)
    data = {
        "key": f"{dialogue_id}/{turn.turn_id}", "dialogue_id": dialogue_id, "turn_id": turn.turn_id,
        "text_sha256": form.text_sha256, "round_sha256": made.sha256,
        DIALOGUE: [{"who": who, "text": storable(text)} for who, text in said],
        "before": storable(_before(form.example.prior_state))}
    in_play = [storable(text_of(service)) for service in form.services]
    result = [*([_chosen(SERVICES, *in_play)] if in_play else []), *_results(label.change, known),
              *([_text(ACTS, *map(act_line, label.acts))] if label.acts else [])]
    return {"data": data, "predictions": [{"model_version": version, "score": round(form.confidence, 6), "result": result}]}


def _said(turn: Any) -> Iterator[tuple[str, str]]:
    if turn.turn_id == 0:
        yield "system", turn.last_system_utterance
    yield "user", turn.user_utterance
    yield "system", turn.system_response


def _before(state: StateChange) -> str:
    held = [f"{service}.{slot} = {value}" for service, slots in state.items() for slot, value in slots.items()]
    return f"Before this turn: {'; '.join(held) or 'nothing'}"


def _results(change: StateChange, known: Controls) -> Iterator[dict[str, Any]]:
    for service, slots in change.items():
        for slot, value in slots.items():
            name = known.name_of[service, slot]
            if known.choices_of[name]:
                yield _chosen(name, storable(text_of(value)))
            else:
                yield _text(name, text_of(value))


def _chosen(name: str, *texts: str) -> dict[str, Any]:
    return {"from_name": name, "to_name": DIALOGUE, "type": "choices", "value": {"choices": list(texts)}}


def _text(name: str, *texts: str) -> dict[str, Any]:
    return {"from_name": name, "to_name": DIALOGUE, "type": "textarea", "value": {"text": list(map(storable, texts))}}
