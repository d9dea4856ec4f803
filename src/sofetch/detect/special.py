"""The words for what the GDPR protects most: its special categories (Art. 9), and, beside them, income.

Owns those lists, and when a word with a second meaning is meant. Pure.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final

SPECIAL_ANYWHERE: Final = (
    # beliefs
    "religion, religious affiliation, religious belief, religious community, religious denomination, konfession, "
    "religionszugehorigkeit, religionszugehoerigkeit, political opinion, political affiliation, political belief, "
    "political leaning, political party, political view, party affiliation, party membership, trade union, "
    "labor union, labour union, union member, union membership, gewerkschaft, "
    # origin
    "ethnicity, ethnicities, ethnic background, ethnic group, ethnic origin, racial group, racial origin, ethnie, "
    # sex life
    "sexual orientation, sexual preference, sexuality, sex life, "
    # health
    "diagnosis, diagnoses, medical condition, medical history, medical record, health condition, health record, "
    "disease, illness, disability, disabilities, severely disabled, behinderung, schwerbehinderung, allergy, "
    "allergies, allergie, drug name, medication, prescription, vaccination, vaccinated, diabetic, "
    "diabetes, smoker, blood type, blood group, blutgruppe, blood pressure, "
    "blood glucose, heart rate, hiv, pregnant, pregnancy, pregnancies, icd code, sick leave, sick note, "
    "sick day, sick pay, krankmeldung, "
    # genes and bodies
    "genome, genotype, genetic data, genetic marker, genetic profile, genetic result, genetic risk, genetic test, "
    "biometric data, biometric hash, biometric id, biometric template, faceprint, face print, face embedding, "
    "face template, voiceprint, voice print, iris scan, retina scan"
)
SPECIAL_AT_THE_END: Final = "religious, icd, genetic, dna, biometric"
INCOME_ANYWHERE: Final = (
    "salary, salaries, wage, income, remuneration, net worth, credit score, credit rating, gehalt, einkommen, salaire, "
    "salario"
)

_UNLESS: Final[Mapping[tuple[str, ...], frozenset[str]]] = {
    # a competition, or a figure in a game
    ("race",): frozenset(
        {"arms", "bib", "bike", "boat", "car", "character", "course", "current", "cycle", "cycling", "data", "drag"}
        | {"driver", "finish", "foot", "game", "has", "hero", "horse", "is", "kart", "lap", "last", "leaderboard"}
        | {"league", "motor", "next", "npc", "player", "previous", "regatta", "relay", "road", "runner", "running"}
        | {"sailing", "season", "sport", "start", "swim", "team", "thread", "ticket", "track", "ui", "was", "winner"}
        | {"yacht"}
    ),
}
"""Last words with two meanings, and the words before them that say it is the other one."""
_ONLY: Final[Mapping[tuple[str, ...], frozenset[str]]] = {
    # most often what can be switched off
    ("is", "disabled"): frozenset(
        {"adult", "applicant", "athlete", "candidate", "child", "dependent", "driver", "employee", "participant"}
        | {"passenger", "patient", "person", "player", "pupil", "resident", "spouse", "student", "tenant", "worker"}
    ),
}
"""Last words that mean it only of somebody: the words before them that say so."""


def ends_in_special(words: Sequence[str]) -> bool:
    """Whether the last words mean a special category, as the words before them have it."""
    return any(
        tuple(words[-len(ending) :]) == ending and _any_of(words[: -len(ending)], known) is meant
        for by, meant in ((_UNLESS, False), (_ONLY, True))
        for ending, known in by.items()
    )


def _any_of(words: Sequence[str], known: frozenset[str]) -> bool:
    return any(word in known or word.removesuffix("s") in known for word in words)
