"""One column: where its value comes from, its type and its mask."""

from __future__ import annotations

from typing import Annotated, Literal

from msgspec import Meta, Struct, field

from sofetch.settings.names import Alphabet, ColumnType, Domain, Kind, MaskName, Name


class ColumnSettings(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """[[column]]: one column of the table and where its value comes from."""

    name: Annotated[Name, Meta(description="Column of the table.")]
    from_: Annotated[
        str | None, Meta(description="Path into the JSON: `a`, `a.b`, `a.b[0].c`. Default: the column's name.")
    ] = field(default=None, name="from")
    value: Annotated[
        str | None,
        Meta(
            description="A value of the envelope instead of the body: message_id, sent_time, sent_date, receive_time, "
            "queue, group_id, or attribute:NAME."
        ),
    ] = None
    type: Annotated[ColumnType, Meta(description="Type of an unmasked column.")] = "text"
    required: Annotated[bool, Meta(description="Missing or null is a rejection.")] = False
    default: Annotated[
        str | int | float | bool | None, Meta(description="Value for missing or null, unmasked columns only.")
    ] = None
    max_length: Annotated[Annotated[int, Meta(ge=1)] | None, Meta(description="Longest text, in characters.")] = None
    mask: Annotated[
        MaskName | None,
        Meta(
            description="How a personal value is masked. `token`: equal values have equal tokens, which nothing opens. "
            "`reversible`: the same, and the key opens them. `ip`: an address becomes another address. `ip_prefix`: so "
            "too, and addresses of one network stay in one network. `redact`: a constant. `truncate`, `bucket`, "
            "`partial`: less of it, see `kind`. `round`, `noise`: a number near it. `date_shift`: a date moved by as "
            "many days as all of its subject. `fpe`: another text of the same form, see [masks]."
        ),
    ] = None
    kind: Annotated[
        Kind,
        Meta(
            description="How a personal value is made canonical before it is masked. `truncate` takes ip (to /24 or "
            "/48) and string (to truncate_to characters); `bucket` takes date (to its month) and email (to its domain);"
            " `partial` takes string (its last characters) and email (`j***@domain`). The masks `ip`, `ip_prefix`, "
            "`date_shift`, `round` and `noise` take one kind and need not say so."
        ),
    ] = "string"
    domain: Annotated[
        Domain | None,
        Meta(description="Join domain: equal values of one domain have equal tokens. Default: the field's path."),
    ] = None
    not_of_kind: Annotated[
        Literal["token", "reject"],
        Meta(
            description="A value that is not of its kind: a token of it as a string, or a rejection. The masks `ip`, "
            "`ip_prefix` and `fpe` always reject; where a column has no room for text, it is NULL instead of a token."
        ),
    ] = "token"
    sentinels: Annotated[
        list[str], Meta(description="Values that mean nothing and are stored as NULL, as `unknown` or `0.0.0.0`.")
    ] = field(default_factory=list)
    redact_to: Annotated[
        str,
        Meta(
            description="The constant that `redact` stores, and `truncate` and `partial` where they would hide nothing."
        ),
    ] = "[redacted]"
    truncate_to: Annotated[
        Annotated[int, Meta(ge=1, le=256)] | None,
        Meta(description="Leading characters that `truncate` keeps of a string. An ip keeps its /24 or /48."),
    ] = None
    keep_last: Annotated[
        int, Meta(ge=1, le=64, description="Characters at the end that `partial` keeps of a string.")
    ] = 4
    round_to: Annotated[
        Annotated[float, Meta(ge=0.0001)] | None,
        Meta(description="The step whose multiples `round` makes; for `noise` a hundredth of its scale by default."),
    ] = None
    noise_scale: Annotated[
        Annotated[float, Meta(ge=0.0001)] | None,
        Meta(description="How far `noise` moves a number: Laplace's scale, or half the width of uniform noise."),
    ] = None
    noise: Annotated[Literal["laplace", "uniform"], Meta(description="The distribution of `noise`.")] = "laplace"
    subject: Annotated[
        Name | None,
        Meta(description="Column that names whom a date is about: `date_shift` moves all dates of one alike."),
    ] = None
    shift_days: Annotated[
        Annotated[int, Meta(ge=1, le=3_650)] | None,
        Meta(description="Most days that `date_shift` moves a date, to either side."),
    ] = None
    without_subject: Annotated[
        Literal["reject", "null"],
        Meta(description="What becomes of a date that is about nobody: the message is rejected, or the date is NULL."),
    ] = "reject"
    alphabet: Annotated[
        Alphabet,
        Meta(
            description="Characters that `fpe` replaces by one another: 0-9, 0-9a-z or 0-9A-Za-z. Signs between them "
            "stay; any other character is a rejection."
        ),
    ] = "digits"
    vault: Annotated[
        bool,
        Meta(description='The value behind the token is kept in the vault, see [vault]. For mask = "token" only.'),
    ] = False
    personal: Annotated[
        bool | None,
        Meta(
            description="`false` says that an unmasked column may be seen, whatever its name looks like and though "
            "another column masks the same field; `true` that a column with few different values is tokenised all the "
            "same."
        ),
    ] = None
