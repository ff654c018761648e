"""Commands on the end-to-end agent: `chat`, `evaluate-agent`."""

from __future__ import annotations

import sys
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from nc_latent_tod.cli.console import JsonOption, epilog, print_json, remark, standard_error, standard_output

app = typer.Typer()

ConfigOption = Annotated[str, typer.Option("--config", metavar="AGENT.json",
                                           help="An agent's configuration, or packaged:agent.")]


class Context(StrEnum):
    """Whose responses the agent sees as what was said before."""

    corpus = "corpus"
    own = "own"


@app.command(epilog=epilog("nc-latent-tod chat", "printf 'i need a place to stay\\n/state\\n' | nc-latent-tod chat"))
def chat(config: ConfigOption = "packaged:agent", as_json: JsonOption = False) -> None:
    """Talk to the agent: it shows what it understood, looked up and decided. /state, /reset, /quit, /help.

    Without a terminal, every line of standard input is a turn.
    """
    from nc_latent_tod.api.agent import build_agent, read_agent_config
    from nc_latent_tod.cli.chat import Chat

    remark("loading the agent ...")
    agent = build_agent(read_agent_config(config))
    chat = Chat(agent, standard_output(), as_json=as_json)
    if sys.stdin.isatty():
        chat.talk()
    else:
        chat.read(sys.stdin.buffer)


@app.command("evaluate-agent", epilog=epilog(
    "nc-latent-tod evaluate-agent --corpus simulated/logs.jsonl --out predictions.json --data simulated/data",
    "nc-latent-tod evaluate-agent --config agent.json --corpus multiwoz --split dev --out predictions.json --data multiwoz "
    "--references multiwoz/dev"))
def evaluate_agent(
    corpus: Annotated[str, typer.Option("--corpus", show_default=False, help="Dialogues, as in data.eval_set_path_or_name.")],
    out: Annotated[Path, typer.Option("--out", metavar="FILE", show_default=False,
                                      help="The predictions; score-predictions reads them.")],
    config: ConfigOption = "packaged:agent",
    split: Annotated[str | None, typer.Option("--split", show_default=False,
                                              help="A split of the corpus, or a part of one: test_0_100.")] = None,
    data: Annotated[Path | None, typer.Option("--data", metavar="FOLDER", show_default=False,
                                              help="Score against goals_GOALS.json, booked_domains.json and db/ there.")]
    = None,
    goals: Annotated[str, typer.Option("--goals", help="Which goals_GOALS.json.")] = "test",
    references: Annotated[Path | None, typer.Option("--references", metavar="PATH", show_default=False,
                                                    help="For BLEU, as in score-predictions.")] = None,
    context: Annotated[Context, typer.Option("--context", help="What the agent sees as said before: the corpus's system "
                                                               "turns, or its own.")] = Context.corpus,
    allow_missing: Annotated[bool, typer.Option("--allow-missing", help="Score a part of the dialogues that have goals.")]
    = False,
    as_json: JsonOption = False,
) -> None:
    """Let the agent answer a corpus's users with its own states and responses, write its predictions and score them."""
    from nc_latent_tod.api.evaluate_agent import Scoring, answer_corpus
    from nc_latent_tod.cli.stop import orderly_stop
    from nc_latent_tod.cli.views.agent_run import show_run
    from nc_latent_tod.cli.views.progress import LiveProgress
    from nc_latent_tod.errors import ConfigError

    if data is None and (references or allow_missing):
        raise ConfigError("--references and --allow-missing score against goals: name their folder with --data too.")
    with orderly_stop() as stop, LiveProgress(standard_error()) as progress:
        run = answer_corpus(config, corpus, split, out, context=context.value, should_stop=stop.is_asked_for,
                            report=progress.answers, scoring=Scoring(data, goals, references, allow_missing) if data else None)
    if as_json:
        print_json(run.to_json())
    else:
        standard_output().print(show_run(run))
