"""Usernames: what they may be made of, and which of them are the same."""

from __future__ import annotations

import unicodedata

import pytest
from hypothesis import given, strategies as st

from services.accounts import clean_username, username_key
from services.errors import InvalidRequest


def refused(name: str) -> bool:
    try:
        clean_username(name)
    except InvalidRequest as error:
        return list(error.errors or {}) == ["username"]
    return False


@pytest.mark.parametrize(
    "name", ["ada", "x" * 32, "Ada Lovelace", "a-b_c.d", "李小龙", "Ünïcödé", "мария", "🚀🚀🚀", "a|b", "O'Neil"]
)
def test_names_of_people_are_taken_as_they_are(name: str) -> None:
    assert clean_username(name) == name


@pytest.mark.parametrize("name", ["", "ab", "x" * 33, "🚀🚀"])
def test_a_name_has_3_to_32_characters(name: str) -> None:
    assert refused(name)


def test_characters_are_counted_after_normalisation() -> None:
    assert clean_username("u\u0308" * 3) == "\u00fc" * 3
    assert refused("u\u0308" * 2)
    assert clean_username("u\u0308" * 32) == "\u00fc" * 32
    assert refused("u\u0308" * 33)


@pytest.mark.parametrize(
    "hidden",
    [
        *("\x00", "\x07", "\n", "\t", "\r", "\x1b", "\x7f", "\x85"),
        *("\u200b", "\u200c", "\u200d", "\u2060", "\ufeff", "\u00ad"),
        *(
            "\u202a",
            "\u202b",
            "\u202c",
            "\u202d",
            "\u202e",
            "\u2066",
            "\u2067",
            "\u2068",
            "\u2069",
            "\u200e",
            "\u200f",
            "\u061c",
        ),
        *("\u2028", "\u2029", "\ue000", "\U000f0000", "\ud800", "\udfff", "\uffff", "\u0378", "\U000e0041"),
        *(
            "\u034f",
            "\u115f",
            "\u1160",
            "\u17b4",
            "\u180b",
            "\u3164",
            "\U0001d159",
            "\ufe00",
            "\ufe0f",
            "\uffa0",
            "\U000e0100",
        ),
    ],
)
def test_control_reordering_and_invisible_characters_are_refused(hidden: str) -> None:
    assert refused(f"ada{hidden}b")
    assert refused(f"{hidden}adab")
    assert refused(hidden * 3)


@pytest.mark.parametrize(
    "name", [" ada", "ada ", "a  b", "   ", "\u00a0ada", "ada\u3000", "a \u00a0b", "a\u2003\u2003b"]
)
def test_spaces_that_nobody_sees_are_refused(name: str) -> None:
    assert refused(name)


@pytest.mark.parametrize("name", ["\u0430da", "ad\u03b1", "Lin\u0443s", "\u039bLPHA", "\u13aada", "p\u0430yp\u0430l"])
def test_alphabets_that_look_alike_are_not_mixed(name: str) -> None:
    assert refused(name)


@pytest.mark.parametrize(
    "name",
    [
        *("LISU LETTER A", "CANADIAN SYLLABICS KI", "DESERET CAPITAL LETTER LONG O", "OSAGE CAPITAL LETTER O"),
        *("TIFINAGH LETTER YAR", "WARANG CITI SMALL LETTER NGAA", "CARIAN LETTER A", "LYCIAN LETTER E"),
        *("LYDIAN LETTER I", "OLD ITALIC LETTER A", "RUNIC LETTER GEBO GYFU G", "GOTHIC LETTER AHSA"),
        *("ELBASAN LETTER O", "MEDEFAIDRIN CAPITAL LETTER M"),
    ],
)
def test_rare_and_ancient_alphabets_are_not_mixed_with_latin_either(name: str) -> None:
    letter = unicodedata.lookup(name)
    assert refused(f"p{letter}ypal")
    assert not refused(letter * 3)


@pytest.mark.parametrize(
    "name",
    [
        *("b\u1040b", "b\u101db", "bo\u0b20", "ab\u0c66", "b\u09e6b", "b\u07cbb", "b\u3007b", "\u3007 \u674e Ada"),
        *(
            "\u0440\u1040\u0440",
            "\u03c1\u0b20\u03c1",
            "ab\u0942",
            "\u043c\u30a2\u30c0",
            "\u3105\u30a2a",
            "\uc774\u30c0a",
        ),
    ],
)
def test_letters_and_digits_of_other_scripts_are_not_put_beside_latin_greek_or_cyrillic(name: str) -> None:
    assert refused(name)


@pytest.mark.parametrize(
    "name",
    [
        *(
            "Ada \u4f50\u3005\u6728 \u30c6\u30fc\u3078",
            "Ada \u674e\u3105",
            "Ada \u674e\uc774",
            "O\u02bcNeil",
            "Ada \u2776",
            "\u3007\u4e00\u4e8c",
        ),
        *(
            "\u0985\u09a6\u09be \u09e6\u09e7",
            "\u1021\u1012\u102c\u1040",
            "\u0622\u062f\u0627 \u06f1\u06f2",
            "\u0e2d\u0e14\u0e32 7",
        ),
    ],
)
def test_what_is_written_together_is_a_name(name: str) -> None:
    assert clean_username(name) == name


def test_marks_are_not_piled_up_in_any_script() -> None:
    assert refused("b" + "\u0301" * 3 + "bc")
    for letter, mark in (("\u0e01", "\u0e47"), ("\u0628", "\u064e"), ("\u05d0", "\u05bc"), ("\u0f40", "\u0f72")):
        assert refused(letter + 4 * mark + letter)
    assert not refused("\u0f66\u0f92\u0fb2\u0f7c\u0f63\u0f0b\u0f58")  # Drolma: three marks under and over one letter.
    assert not refused("\u1019\u103c\u102d\u102f\u1037\u1010\u102c")


@pytest.mark.parametrize(
    "name",
    [
        "\u043c\u0430\u0440\u0438\u044f 7",
        "\u03a3\u03af\u03c3\u03c5\u03c6\u03bf\u03c2",
        "Ada \u674e\u5c0f\u9f99",
        "Ada \u30a2\u30c0",
        "Ada \U0001f680",
    ],
)
def test_one_of_them_with_others_is_a_name(name: str) -> None:
    assert not refused(name)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("Ada", "aDA"),
        ("Straße", "STRASSE"),
        ("Ada", "\uff21\uff44\uff41"),
        ("ﬁne", "fine"),
        ("\u212bngstrom", "ångstrom"),
        ("Σίσυφος", "ΣΊΣΥΦΟΣ"),
        ("a b c", "a\u00a0b\u00a0c"),
        ("①②③", "123"),
    ],
)
def test_names_that_differ_in_case_or_form_only_are_the_same(one: str, other: str) -> None:
    assert username_key(one) == username_key(other)


def test_other_names_are_not_the_same() -> None:
    assert len({username_key(name) for name in ("ada", "ad\u0430", "a d a", "ada1", "adá")}) == 5


@given(st.text(max_size=40))
def test_the_key_is_the_same_for_every_way_to_write_a_name(name: str) -> None:
    key = username_key(name)
    assert username_key(key) == key
    for form in ("NFC", "NFD", "NFKC", "NFKD"):
        assert username_key(unicodedata.normalize(form, name)) == key


@given(st.text(min_size=1, max_size=40))
def test_a_cleaned_name_is_clean(name: str) -> None:
    if not refused(name):
        cleaned = clean_username(name)
        assert clean_username(cleaned) == cleaned
        assert 3 <= len(cleaned) <= 32
        assert username_key(cleaned) == username_key(name)
