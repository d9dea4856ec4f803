"""``sofetch keys recovery-new``: the key pair of the vault. Owns what is said about it; the files are
``sofetch.keys.recovery``'s.
"""

from __future__ import annotations

from pathlib import Path

import click

from sofetch.cli.frame import Frame, command


@command(
    "recovery-new",
    example="sofetch keys recovery-new\nsofetch keys recovery-new -o /media/safe/recovery.pem",
    config=False,
)
@click.option(
    "-o",
    "--output",
    "private",
    default="recovery.pem",
    show_default=True,
    type=click.Path(path_type=Path),
    metavar="FILE",
    help="The file to create for the private half.",
)
@click.option(
    "--public",
    default="recovery.pub.pem",
    show_default=True,
    type=click.Path(path_type=Path),
    metavar="FILE",
    help="The file to create for the public half.",
)
def recovery_new(frame: Frame, *, private: Path, public: Path) -> None:
    """Create the pair of keys that the vault's values are sealed for and opened with.

    The public half goes to the machines that load, which can then keep values and never read one. The private half
    (mode 0600) belongs on none of them: keep it offline, with a copy elsewhere. Whoever loses it loses every value in
    the vault. An existing file is never overwritten.
    """
    from sofetch.keys.recovery import write_recovery_keypair

    key_id = write_recovery_keypair(private, public).id.hex()
    if frame.json:
        frame.data({"private": str(private.resolve()), "public": str(public.resolve()), "id": key_id})
        return
    frame.say(f"created {private} (mode 0600, private) and {public} (public): recovery key {key_id}")
    frame.note(
        f'  → [vault] recovery_public_key = "{public}" on the machines that load\n'
        f"  → take {private} away from here, and keep a copy: without it no value of the vault can be read again"
    )
