"""A conversation with the agent in a terminal, or with the lines of a file."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from rich.console import Console, Group, RenderableType
from rich.panel import Panel
from rich.table import Table
from rich.text import Text

from nc_latent_tod.api.agent import Memory
from nc_latent_tod.cli.console import print_json
from nc_latent_tod.cli.views.explanation import act_text, state_text
from nc_latent_tod.cli.views.tables import pairs

if TYPE_CHECKING:
    from nc_latent_tod.agent.agent import Agent, Reply

MAX_CHARS = 2_000  # of one turn; the rest is left out, and said
_COMMANDS = {"/state": "what the agent knows so far", "/reset": "begin a new dialogue", "/quit": "leave (also Ctrl-D)",
             "/help": "this list"}


class Chat:
    """One person, one agent, any number of dialogues. Text from either side is shown as text, never as markup."""

    def __init__(self, agent: Agent, console: Console, *, as_json: bool = False) -> None:
        self._agent, self._console, self._as_json = agent, console, as_json
        self._dialogues = 0
        self._memory = self._fresh()

    def talk(self) -> None:
        """Until /quit or Ctrl-D. Ctrl-C gives up the line, or the answer that is being worked out."""
        self._say(_greeting(self._agent))
        going = True
        while going:
            try:
                going = self.take(self._console.input(Text("you   > ", style="bold cyan")))
            except KeyboardInterrupt:
                self._say(Text("\n(given up; /quit or Ctrl-D leaves)", style="dim"))
            except EOFError:
                self._say(Text(""))
                going = False

    def read(self, lines: Iterable[bytes]) -> None:
        """Every line a turn, until /quit or the end."""
        for line in lines:
            text = line.decode("utf-8", "replace").rstrip("\r\n")
            if text.strip() and not self._as_json:
                self._say(Text.assemble(("you   > ", "bold cyan"), visible(text[:MAX_CHARS])))
            if not self.take(text):
                return

    def take(self, line: str) -> bool:
        """Take one line; False where it ends the conversation."""
        text = clean(line)
        if text.startswith("/"):
            return self._command(text.split()[0].lower())
        if text:
            self._answer(text)
        return True

    def _answer(self, text: str) -> None:
        if len(text) > MAX_CHARS:
            self._say(Text(f"(only the first {MAX_CHARS} of {len(text)} characters are read)", style="yellow"))
        [reply] = self._agent.reply([text[:MAX_CHARS]], [self._memory])
        self._memory = reply.memory
        if self._as_json:
            print_json(as_json(reply))
        else:
            self._console.print(show_reply(reply))

    def _command(self, name: str) -> bool:
        if name in ("/quit", "/exit", "/q"):
            return False
        if name == "/reset":
            self._memory = self._fresh()
            self._say(Text("(a new dialogue)", style="dim"))
        elif name == "/state":
            self._state()
        else:
            unknown = [] if name == "/help" else [Text(f"There is no command {visible(name)[:40]}.", style="yellow")]
            self._say(Group(*unknown, pairs(list(_COMMANDS.items()))))
        return True

    def _state(self) -> None:
        if self._as_json:
            print_json({"state": self._memory.state, "bookings": dict(self._memory.focus.bookings)})
        else:
            self._console.print(show_memory(self._memory))

    def _say(self, what: RenderableType) -> None:
        if not self._as_json:
            self._console.print(what)

    def _fresh(self) -> Memory:
        self._dialogues += 1
        return Memory(f"chat-{self._dialogues}")


def clean(text: str) -> str:
    """One line of valid text; control characters become spaces."""
    valid = text.encode("utf-8", "replace").decode("utf-8")
    return " ".join("".join(c if c.isprintable() else " " for c in valid).split())


def visible(text: str) -> str:
    """Text without anything that a terminal would obey."""
    return "".join(c if c.isprintable() else "\ufffd" for c in text)


def show_reply(reply: Reply) -> RenderableType:
    """What was understood, looked up and decided, then the answer."""
    found = ", ".join(f"{service}: {count} match" for service, count in reply.found.items())
    rows = [("understood", state_text(reply.change)), ("database", found or "nothing to look up"),
            ("acts", "; ".join(map(act_text, reply.acts)) or "(none)"), ("words", reply.delexicalised)]
    parts: list[RenderableType] = [pairs([(f"  {name}", value) for name, value in rows])]
    if reply.missing:
        parts.append(Text(f"  not filled, for want of a value: {', '.join(reply.missing)}", style="yellow"))
    parts += [Text(f"  {task} failed: {reason}", style="red") for task, reason in reply.failures.items()]
    parts.append(Text.assemble(("agent > ", "bold green"), (visible(reply.turn.system_response), "bold")))
    return Group(*parts)


def show_memory(memory: Memory) -> RenderableType:
    """The state, the entities talked of and the bookings, service by service."""
    table = Table("service", "slot", "value", box=None)
    for service, slots in memory.state.items():
        for slot, value in slots.items():
            table.add_row(Text(service), Text(slot), Text(value))
    parts: list[RenderableType] = [table if memory.state else Text("nothing yet", style="dim")]
    for service, row in memory.focus.rows.items():
        parts.append(pairs([(f"{service} in focus", ", ".join(f"{slot} {value}" for slot, value in row.items()))]))
    parts += [pairs([(f"{service} booked", code)]) for service, code in memory.focus.bookings.items()]
    return Panel(Group(*parts), title="state", title_align="left", expand=False)


def as_json(reply: Reply) -> dict[str, Any]:
    """One turn as plain data."""
    return {"user": reply.turn.user_utterance, "change": reply.change, "state": reply.state, "found": dict(reply.found),
            "acts": [[act.act, act.service, act.slot, act.value] for act in reply.acts], "delexicalised": reply.delexicalised,
            "response": reply.turn.system_response, "missing": list(reply.missing), "failures": reply.failures}


def _greeting(agent: Agent) -> RenderableType:
    services = ", ".join(service.name for service in agent.database.schema.services)
    return Text(f"Ask for: {services}. {', '.join(_COMMANDS)}.", style="dim")
