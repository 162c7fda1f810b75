"""Prints what the routes decided about a study, condition by condition, for a person at a console."""

from collections.abc import Sequence
from itertools import groupby

from rich.console import Console
from rich.text import Text
from rich.tree import Tree

from node.conditions import CheckedCondition
from node.routing import Decision, Outcome

OUTCOMES = {
    Outcome.CHOSEN: Text("measured", style="bold green"),
    Outcome.OUTRANKED: Text("eligible, not measured", style="yellow"),
    Outcome.NOT_ELIGIBLE: Text("not eligible", style="red"),
}


def print_decisions(console: Console, decisions: Sequence[Decision]) -> None:
    """Print the decisions on one study route by route, each series with every condition of the route."""
    for route, of_route in groupby(decisions, key=lambda decision: decision.route):
        tree = Tree(Text(f"Route {route}", style="bold"))
        for decision in of_route:
            branch = tree.add(_headline(decision))
            for condition in decision.conditions:
                branch.add(_line(condition))
        console.print(tree)


def _headline(decision: Decision) -> Text:
    why = [] if decision.outcome is Outcome.NOT_ELIGIBLE else [": ", *decision.words]
    title = f"series {decision.series_title}".rstrip()
    return Text.assemble(
        title, " ", (decision.series_instance_uid, "dim"), " - ", OUTCOMES[decision.outcome], *why
    )


def _line(condition: CheckedCondition) -> Text:
    verdict = ("holds ", "green") if condition.holds else ("fails ", "bold red")
    return Text.assemble(verdict, condition.words)
