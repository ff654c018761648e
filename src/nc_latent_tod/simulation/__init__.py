"""Synthetic dialogues with known labels, made from a schema, an entity table and optional wording."""

from __future__ import annotations

from nc_latent_tod.simulation.catalogue import entities_of
from nc_latent_tod.simulation.generator import SimulatedDialogue, examples, simulate
from nc_latent_tod.simulation.wording import ServiceWording, SlotWording, Wording

__all__ = ["ServiceWording", "SimulatedDialogue", "SlotWording", "Wording", "entities_of", "examples", "simulate"]
