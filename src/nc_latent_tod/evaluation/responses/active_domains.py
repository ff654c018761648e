"""Which domain a system turn is about, where the predictions do not say."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from nc_latent_tod.labels import BeliefState


def domains_from_states(states: Sequence[BeliefState]) -> list[tuple[str, ...]]:
    """One domain a turn, or none: that whose slots changed last.

    Where several changed at once, the domain of the turn before stays if it is among them, else the one with most
    slots is taken; another of them has its turn when nothing changes next.
    """
    return [() if domain is None else (domain,) for domain in _current(states)]


def _current(states: Sequence[BeliefState]) -> Iterator[str | None]:
    current: str | None = None
    before: BeliefState = {}
    changed_before: list[str] = []
    for state in states:
        changed = [domain for domain, slots in state.items() if slots.items() - before.get(domain, {}).items()]
        if changed and current not in changed:
            current = max(changed, key=lambda domain: len(state[domain]))
        elif not changed and len(changed_before) > 1:
            waiting = [domain for domain in changed_before if domain in state and domain != current]
            current = waiting[0] if waiting else current
        if current is not None:
            before, changed_before = state, changed
        yield current


def domains_from_placeholders(named: Sequence[tuple[str, ...]], states: Sequence[BeliefState]) -> list[tuple[str, ...]]:
    """The domains that a response's placeholders name (`[hotel_name]`); where there is none, that of the states."""
    return [domains or estimate for domains, estimate in zip(named, domains_from_states(states), strict=True)]
