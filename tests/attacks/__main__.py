"""`make attack`: the attacks at full size. Prints what became of each, and keeps it in docs/attacks.md.

make attack                    all of them; about half an hour on two cores
make attack ARGS='bursts'      one of them
make attack ARGS='--part 100'  a hundredth of each; docs/attacks.md stays as it is
"""

from __future__ import annotations

import argparse
from collections.abc import Callable

from tests.attacks import logins, mutations, races, schema, wire
from tests.attacks.outcome import Outcome
from tests.attacks.report import keep, row
from tests.support.balancer import balancer_before, trusting
from tests.support.ground import make_settings, opened, running_servers
from tests.support.stack import Stack, running_stack


def on_servers(attack: Callable[..., Outcome]) -> Callable[[int], Outcome]:
    """The attack on PostgreSQL and Redis of its own."""

    def run(tries: int) -> Outcome:
        with running_servers() as servers:
            settings = make_settings(servers)
            with opened(settings) as resources:
                return attack(settings, resources, tries)

    return run


def on_a_stack(attack: Callable[[Stack, int], Outcome]) -> Callable[[int], Outcome]:
    """The attack on a whole Fairboard of its own."""

    def run(tries: int) -> Outcome:
        with running_stack() as stack:
            return attack(stack, tries)

    return run


def slow_clients(stack: Stack, tries: int) -> Outcome:
    """Slowloris for half a minute."""
    return wire.slow_clients(stack.port, tries, 30)


def smuggling(stack: Stack, tries: int) -> Outcome:
    """Each way to hide a request, again and again."""
    return wire.smuggling(stack.port, tries)


def smuggling_through_the_balancer(stack: Stack, tries: int) -> Outcome:
    """The same, with Caddy in between, where each of the two may read a request otherwise."""
    with balancer_before(stack.port) as port:
        return wire.smuggling_between(port, tries, trusting())


ATTACKS: dict[str, tuple[Callable[[int], Outcome], int]] = {
    "access-tokens": (mutations.access_tokens, 500_000),
    "action-tokens": (mutations.tokens_of_actions, 500_000),
    "replays": (on_servers(races.replays), 100_000),
    "bursts": (on_servers(races.bursts), 10_000),
    "smuggling": (on_a_stack(smuggling), 10),
    "smuggling-balancer": (on_a_stack(smuggling_through_the_balancer), 10),
    "slowloris": (on_a_stack(slow_clients), 2_000),
    "guessing": (on_a_stack(logins.guessing), 5_000),
    "timing": (on_a_stack(logins.timing), 1_500),
    "schema": (on_a_stack(schema.examples), 1_000),
}


def main() -> None:
    """Run the attacks asked for; exit 1 if one got through."""
    parser = argparse.ArgumentParser(prog="python -m tests.attacks", description=__doc__)
    parser.add_argument("attacks", nargs="*", metavar="ATTACK", help=f"which of: {', '.join(ATTACKS)} (all)")
    parser.add_argument("--part", type=int, default=1, help="run this fraction of each")
    arguments = parser.parse_args()
    if unknown := set(arguments.attacks) - set(ATTACKS):
        parser.error(f"no such attack: {', '.join(unknown)}")
    held = True
    for name in arguments.attacks or ATTACKS:
        attack, tries = ATTACKS[name]
        print(f"== {name} ...", flush=True)
        outcome = attack(max(2, tries // arguments.part))
        held &= outcome.held
        print(row(outcome), flush=True)
        if arguments.part == 1:
            keep(outcome)
    raise SystemExit(0 if held else 1)


if __name__ == "__main__":
    main()
