"""Names for simulated players, from many alphabets, since players' names are."""

from __future__ import annotations

import random
from collections.abc import Container

GIVEN = (
    "tova", "Zoë", "Łukasz", "Søren", "Åsa", "Нина", "Γιώργος", "ゆき子さん", "陈小龙", "아름다운", "Nuñez", "Jürgen",
    "amara", "kwame", "Đặng", "Ngozi", "Çelik", "Siân", "Ōtomo", "Ruairí", "mateo", "priya", "Øyvind", "Iñaki",
    "ama", "bodil", "casper", "Dvořák", "Eszter", "farid", "Gülay", "hana", "Ieva", "jonas", "Květa", "lior",
    "Мирон", "Nadège", "otto", "Pálma", "qiang", "Rūta", "Stéphane", "Þóra", "ulla", "Vít", "wanjiru", "Ximena",
    "yusuf", "Żaneta", "אורית", "ليلى", "आरती", "สมชาย", "ნინო", "Արամ",
)  # fmt: skip
FAMILY = (
    "fox", "heron", "otter", "lynx", "wren", "badger", "swift", "hare", "marten", "finch", "viper", "bison",
    "crane", "newt", "raven", "stoat", "tern", "vole", "ibis", "seal", "moth", "carp", "dove", "kite",
)  # fmt: skip
CHEATS = {
    "replay": ("replay-ray", "replay-rosa"),
    "impossible": ("flash-fred", "flash-fina"),
    "thief": ("thief-theo", "thief-thea"),
    "forger": ("forger-fay", "forger-finn"),
    "hammer": ("hammer-hal", "hammer-hedy"),
    "metronome": ("metro-mia", "metro-max"),
    "patient": ("patient-pat", "patient-pam"),
}
LONGEST = 32


def draw(rng: random.Random, kind: str, taken: Container[str]) -> str:
    """A name that is not taken yet; the same ones in the same order for the same seed."""
    pool = CHEATS.get(kind) or GIVEN
    free = [name for name in pool if name not in taken]
    if free:
        return free[0] if kind in CHEATS else rng.choice(free)
    pairs = [f"{given}-{family}" for given in pool for family in FAMILY]
    free = [name for name in rng.sample(pairs, min(50, len(pairs))) if name not in taken]
    return free[0] if free else another(rng, rng.choice(pairs))


def another(rng: random.Random, name: str) -> str:
    """The name with a number, for when somebody else has it."""
    suffix = f"-{rng.randrange(1_000, 10_000)}"
    return name[: LONGEST - len(suffix)] + suffix
